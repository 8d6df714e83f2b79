"""evalyard.secrets: values survive any shell and are never executed; names are looked up; text is redacted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from evalyard.errors import SecretError
from evalyard.records.files import SecretRef
from evalyard.secrets import REDACTED, Redactor, SecretSource, quote, read_env_file, redact, render_env_file

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
VALUES = {
    "PLAIN": "sk-1234",
    "EMPTY": "",
    "DOUBLE": 'say "hi"',
    "SINGLE": "it's",
    "ONLY_SINGLE": "'''",
    "COMMAND": "$(touch pwned) `touch pwned` ${HOME} $HOME",
    "BACKSLASH": "\\ \\n \\\\ \\' trailing\\",
    "NEWLINES": "one\ntwo\n\nthree\n",
    "CARRIAGE": "one\r\ntwo\rthree",
    "UTF8": "Grüße, 日本, 🙂, \u2028",
    "SPACES": "  # no comment; & | > < * ? [a] {b} ~ !x  \t",
    "ASSIGNMENT": "A=B",
}


def read_by_shell(shell: str, file: Path, names: list[str], folder: Path) -> list[str]:
    """Return what a shell has in these variables after it read the file."""
    command = [*([shell, "sh"] if shell == "busybox" else [shell]), "-c"]
    prints = "; ".join(f"printf '%s\\0' \"${name}\"" for name in names)
    done = subprocess.run([*command, f". {quote(str(file))}; {prints}"], capture_output=True, cwd=folder, check=True)
    assert done.stderr == b""
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_secrets_file_reads_back_exactly_and_executes_nothing(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "with space" / ".secrets.env"
    file.parent.mkdir()
    file.write_bytes(render_env_file(VALUES).encode())
    folder = tmp_path / "empty"
    folder.mkdir()
    assert dict(zip(VALUES, read_by_shell(shell, file, list(VALUES), folder), strict=True)) == VALUES
    assert not list(folder.iterdir())


def test_both_common_shells_are_among_those_tested() -> None:
    assert {"dash", "bash"} <= set(SHELLS)


@given(
    values=st.dictionaries(
        st.from_regex(r"[A-Z_]{1,5}", fullmatch=True),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    )
)
def test_we_read_back_every_value_that_we_wrote(
    values: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "written.env"
    file.write_bytes(render_env_file(values).encode())
    assert read_env_file(file) == values


def test_a_value_with_nul_is_refused_by_name_without_showing_it() -> None:
    with pytest.raises(SecretError, match="HF_TOKEN holds a NUL") as caught:
        render_env_file({"HF_TOKEN": "secret-part\0rest"})
    assert "secret-part" not in str(caught.value)


@pytest.mark.parametrize("text", ["A='open", "not an assignment", "1A=x"])
def test_a_damaged_secrets_file_holds_nothing(text: str, tmp_path: Path) -> None:
    file = tmp_path / ".secrets.env"
    file.write_text(text)
    assert read_env_file(file) == {}


def test_an_absent_secrets_file_holds_nothing(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / "absent") == {}


REFS = (SecretRef(name="HF_TOKEN", variable="MY_TOKEN", where="run.yaml:7"),)


def test_the_environment_comes_before_an_earlier_secrets_file(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / ".secrets.env").write_text(render_env_file({"HF_TOKEN": "saved"}))
    file = "task/.secrets.env"
    assert SecretSource(environ={"MY_TOKEN": "fresh"}, run_dir=tmp_path).values(REFS, file) == {"HF_TOKEN": "fresh"}
    assert SecretSource(environ={}, run_dir=tmp_path).values(REFS, file) == {"HF_TOKEN": "saved"}
    assert SecretSource(environ={}, run_dir=tmp_path).value("HF_TOKEN") == "saved"


def test_an_empty_variable_is_a_value() -> None:
    assert SecretSource(environ={"MY_TOKEN": ""}).values(REFS, "f") == {"HF_TOKEN": ""}


def test_a_source_shows_no_value_when_it_is_printed() -> None:
    assert "sk-canary" not in repr(SecretSource(environ={"MY_TOKEN": "sk-canary"}))


def test_whoever_looks_a_secret_up_teaches_the_redactor() -> None:
    SecretSource(environ={"A": "canary-by-name"}).value("A")
    SecretSource(environ={"MY_TOKEN": "canary-by-file"}).values(REFS, "f")
    assert redact("got canary-by-name and canary-by-file") == f"got {REDACTED} and {REDACTED}"


@pytest.mark.parametrize(
    ("values", "text", "shown"),
    [
        ([], "nothing known", "nothing known"),
        (["sk-1234"], "key sk-1234, again sk-1234", "key ***, again ***"),
        (["sk-1234", "sk-123456"], "sk-123456", "***"),
        (["a.*b"], "a.*b axxb", "*** axxb"),
        (["yes", "1", ""], "yes 1", "yes 1"),
        (["first line\nsecond line"], "it said: second line", "it said: ***"),
        (["first line\nsecond line"], "first line\nsecond line", "***"),
    ],
    ids=["none", "twice", "longest first", "no pattern", "short", "one line of several", "all lines"],
)
def test_known_values_are_redacted(values: list[str], text: str, shown: str) -> None:
    assert Redactor(values)(text) == shown


def test_a_secret_without_a_value_is_named_with_its_place_and_a_remedy() -> None:
    with pytest.raises(SecretError) as caught:
        SecretSource(environ={}).values(REFS, "task/.secrets.env")
    assert caught.value.message == "run.yaml:7: the environment variable MY_TOKEN is not set"
    assert "export MY_TOKEN=" in (caught.value.hint or "")
