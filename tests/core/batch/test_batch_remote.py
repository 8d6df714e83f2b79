"""evalyard.batch.remote: commands on the login node, over an ssh that breaks as told."""

import os
import subprocess
from pathlib import Path

import pytest

from evalyard import BackendError, Connection, Context, Transient
from evalyard.batch import remote


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A connection over an ssh that runs what it is given here, with sh, and notes how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    text = f"""\
#!/bin/sh
printf '%s\\n' "$@" >{tmp_path}/words
if [ -e {tmp_path}/broken ]; then cat {tmp_path}/broken >&2; exit 255; fi
while [ "$1" != -- ]; do shift; done
shift 2
exec sh -c "$*"
"""
    (folder / "ssh").write_text(text)
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    address = {"hostname": "login.example", "username": "me"}
    return Context(connection=Connection(executor="any", address=address))


def test_a_text_arrives_whole_whatever_is_in_it(far: Context) -> None:
    text = """printf '%s|' "it's" '\\n' a\\\\b '!' '$HOME' "$@"\ncat\n"""
    expected = b"it's|\\n|a\\b|!|$HOME|one two|it's|" + b"\x00stream\xff"
    assert remote.ask(far, text, ["one two", "it's"], b"\x00stream\xff") == expected


@pytest.mark.parametrize("shell", ["sh", "bash", "busybox sh"])
def test_every_login_shell_reads_the_line_alike(shell: str) -> None:
    import shutil

    if shutil.which(shell.split(maxsplit=1)[0]) is None:
        pytest.skip(f"there is no {shell}")
    line = remote.remote_line("""echo "it's" '!' "$1"\nprintf '%s\\n' two""", ["an argument's"])
    done = subprocess.run([*shell.split(), "-c", line], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("it's ! an argument's\ntwo\n", "")


def test_a_line_is_one_line() -> None:
    assert "\n" not in remote.remote_line("a\nb\n", ["c"])


def test_ssh_asks_nobody_and_shares_one_connection(far: Context, tmp_path: Path) -> None:
    assert remote.ask(far, "echo yes") == b"yes\n"
    words = (tmp_path / "words").read_text().splitlines()
    assert {"BatchMode=yes", "ControlMaster=auto", "ServerAliveInterval=15"} <= set(words)
    assert words[words.index("-l") + 1] == "me"
    assert words[words.index("--") + 1] == "login.example"
    (folder,) = tmp_path.glob("evalyard-ssh-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert f"ControlPath={folder}/%C" in words


def test_a_login_node_that_does_not_answer_may_answer_later(far: Context, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("warning: x\nssh: connect to host login.example port 22: Connection refused\n")
    with pytest.raises(Transient, match=r"ssh login\.example: .*Connection refused"):
        remote.ask(far, "true")


def test_a_login_that_is_refused_stays_refused(far: Context, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("me@login.example: Permission denied (publickey).\n")
    with pytest.raises(BackendError, match="Permission denied") as raised:
        remote.ask(far, "true")
    assert not raised.value.transient
    assert "ssh -o BatchMode=yes login.example" in (raised.value.hint or "")


def test_a_command_that_hangs_is_given_up(far: Context) -> None:
    far.deadline -= 119.5
    with pytest.raises(Transient, match="no answer within"):
        remote.ask(far, "exec sleep 60")


def test_a_machine_without_ssh_is_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, far: Context, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match="there is no ssh on PATH"):
        remote.ask(far, "true")


def test_a_folder_of_sockets_that_others_may_enter_is_not_used(far: Context, tmp_path: Path) -> None:
    (tmp_path / f"evalyard-ssh-{os.getuid()}").mkdir(mode=0o755)
    with pytest.raises(BackendError, match="must be a folder that is yours alone"):
        remote.ask(far, "true")
