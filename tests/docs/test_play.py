"""The tests of documentation can fail: a page that is wrong in any of these ways is found out."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from tests.docs.blocks import REPOSITORY, PageError, read_page, table
from tests.docs.play import IMAGES, Mismatch, Player

CONFIGURATION = """
```yaml
# first.yaml
execution: {type: local, use_docker: false, output_dir: runs}
target: {api_endpoint: {url: http://localhost:8000/v1/chat/completions, model_id: my-model}}
evaluation: {tasks: [smoke]}
```
"""


@pytest.fixture
def played(tmp_path: Path) -> Player:
    """A player in a folder of its own, without an endpoint."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    return Player(folder, "127.0.0.1:9")


def play(player: Player, text: str) -> None:
    path = player.folder.parent / "page.md"
    path.write_text(dedent(text), encoding="utf-8")
    player.play(read_page(path))


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("```console\n$ evalyard stauts\n```", "exits with 2"),
        ("```console\n$ evalyard status --wacth\n```", "exits with 2"),
        ("```sh\nevalyard ls taks\n```", "exits with 2"),
        ("```sh\nmake quickstrat\n```", "exits with 2"),
        ("<!-- exits with: 2 -->\n```console\n$ evalyard --version\n```", "exits with 0"),
        ("```console\n$ echo one; echo two\none\n```", "other output"),
        ("```console\n$ echo one\none\ntwo\n```", "other output"),
        ("```console\n$ echo one; echo two; echo three\none\n...\nfour\n```", "other output"),
        ("```yaml\n# f.yaml\nexecution: {type: local, use_docker: false}\n```", "evaluation.tasks: missing"),
        (f"{CONFIGURATION}\n<!-- over: first.yaml -->\n```yaml\nevaluatoin: 1\n```", "unknown key"),
        ("<!-- result file -->\n```yaml\nresults: {tasks: {}}\n```", "no scores"),
        ("```python\nfrom evalyard import nothing_of_this_name\n```", "exits with 1"),
    ],
)
def test_a_mistake_on_a_page_is_a_mismatch(played: Player, block: str, complaint: str) -> None:
    with pytest.raises(Mismatch, match=complaint):
        play(played, block)


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("```bash\nls\n```", "nobody knows how to test bash"),
        ("```\nls\n```", "a block without a name"),
        ("```yaml\nevaluation: {}\n```", "say which file"),
        ("```console\nls\n```", "begins with a command"),
        ("```console\n$ evalyard status 3f9a1c20\n```", "no output above shows the id"),
        ("<!-- nor run: whatever -->\n```sh\nls\n```", "is none of"),
        ("```sh\nls\n", "no end"),
    ],
)
def test_a_block_that_nobody_could_test_is_an_error(played: Player, block: str, complaint: str) -> None:
    with pytest.raises(PageError, match=complaint):
        play(played, block)


def test_ids_variables_and_the_current_folder_last_through_a_page(played: Player) -> None:
    played.environ["REAL"] = "0123abcd"
    page = """
    ```console
    $ echo "run $REAL"
    run 3f9a1c20
    $ name=there; mkdir $name; cd $name
    ```

    Text.

    ```console
    $ test 3f9a1c20 = $REAL && test "$(basename "$PWD")" = $name && echo kept
    kept
    ```
    """
    play(played, page)
    assert played.ids == {"3f9a1c20": "0123abcd"}


def test_output_is_compared_without_times_places_and_blank_lines(played: Player) -> None:
    page = """
    ```console
    $ echo "2026-01-01T00:00:00Z in $PWD  0:07"; echo; echo end
    2025-12-31T23:59:59Z in /home/you/evalyard 1:02:03
    end
    ```
    """
    play(played, page)


def test_dots_stand_for_any_lines(played: Player) -> None:
    play(played, "```console\n$ seq 5\n...\n3\n...\n5\n...\n```")


def test_what_needs_an_absent_backend_is_left_out_and_the_rest_is_executed(played: Player, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "<!-- needs: docker -->\n<!-- exits with: 3 -->\n```sh\nexit 3\n```\n\n```sh\ntouch executed\n```\n",
        encoding="utf-8",
    )
    page = read_page(path)
    assert page.needs == {"docker"}
    assert [(block.needs, block.directive, block.argument) for block in page.blocks] == [
        ("docker", "exits with", "3"),
        ("", "", ""),
    ]
    played.play(page, without={"docker"})
    assert (played.folder / "executed").exists()
    played.play(page)


def test_images_of_pages_stand_for_images_of_tests(played: Player) -> None:
    for shown, real in IMAGES.items():
        play(played, f"```console\n$ echo {shown}\n{shown}\n$ test {shown} = {real}\n```")


def test_make_runs_the_recipes_of_the_checkout_without_installing(played: Player) -> None:
    own = re.findall(r"^OWN_VENV :=(.*)", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[
        0
    ].split()
    apart = " ".join(f"--ignore=tests/plugins/{name}" for name in own)
    page = f"""
    ```console
    $ make test
    ...
    .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder {apart}
    $ make quickstart
    ...
    $ evalyard results latest
    ...
    ```
    """
    with pytest.raises(Mismatch, match="exits with 2"):
        play(played, page.replace("test\n", "tset\n"))
    played.environ["PATH"] = f"{played.folder}/.venv/bin:{played.environ['PATH']}"
    play(played, page)


def test_a_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# One\n\ntext\n\n# Two\n\n| a |\n|---|\n| b |\n", encoding="utf-8")
    page = read_page(tmp_path / "page.md")
    with pytest.raises(PageError, match="no table"):
        table(page, "One")
    with pytest.raises(PageError, match="no heading"):
        table(page, "Three")
    assert table(page, "Two") == [["b"]]
