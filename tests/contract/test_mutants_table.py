"""The documentation shows which mutants fail which claim, as it is."""

from tests.contract.mutants.table import PAGE, page


def test_the_page_of_the_kit_has_the_tables_of_today() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "python -m tests.contract.mutants.table writes them anew"
