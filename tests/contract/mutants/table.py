"""The claims of the kit by the mutants that fail them, as the documentation shows it.

python -m tests.contract.mutants.table      writes it into docs/executors/kit.md
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalyard.testing import Conformance, Sweep
from evalyard.testing.claims import Claims
from tests.contract.mutants.every import MUTANTS
from tests.contract.mutants.swept import WEDGED

PAGE = Path(__file__).parents[3] / "docs" / "executors" / "kit.md"
BEGIN, END = "## Claims\n", "## Mutants\n"


def claims() -> str:
    """Return the table of claims, group by group, each with the mutants that fail it."""
    lines = ["", "| claim | mutants that fail it |", "|---|---|"]
    for group in (base for base in reversed(Conformance.__mro__) if issubclass(base, Claims) and base is not Claims):
        for name in (name for name in vars(group) if name.startswith("test_")):
            failing = [mutant.executor.__name__ for mutant in MUTANTS if name in {one.__name__ for one in mutant.fails}]
            lines.append(_row(name, failing))
    for name in (name for name in vars(Sweep) if name.startswith("test_")):
        failing = [wedged.executor.__name__ for wedged in WEDGED if wedged.fails.__name__ == name]
        lines.append(_row(name, failing))
    return "\n".join([*lines, "", ""])


def mutants() -> str:
    """Return the table of mutants and what each does wrong."""
    rows = [(mutant.executor.__name__, mutant.bug) for mutant in MUTANTS]
    rows += [(wedged.executor.__name__, wedged.bug) for wedged in WEDGED]
    lines = ["", "| mutant | what it does wrong |", "|---|---|", *(f"| `{name}` | {bug} |" for name, bug in rows)]
    return "\n".join([*lines, ""])


def plain(claim: str) -> str:
    """Return the name of a test as a sentence."""
    return claim.removeprefix("test_").replace("_", " ")


def page(text: str) -> str:
    """Return the page with both tables written anew."""
    before = text[: text.index(BEGIN)]
    return before + BEGIN + claims() + END + mutants()


def _row(claim: str, failing: Sequence[str]) -> str:
    return f"| {plain(claim)} | {', '.join(f'`{one}`' for one in failing)} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
