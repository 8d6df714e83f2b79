"""evalyard.batch.commands: texts for a POSIX shell."""

import shlex
import subprocess

import pytest
from attrs import evolve

from evalyard.batch.commands import command_text, submit_line
from tests.core.batch.toy import TOY

NAMES = ("submit", "find", "end", "status", "orphans", "owners", "tail", "unpack", "pack", "check")


@pytest.mark.parametrize("name", NAMES)
def test_a_text_is_one_for_every_shell_and_fits_into_an_argument(name: str) -> None:
    text = command_text(TOY, name)
    assert subprocess.run(["sh", "-n", "-c", text], check=False).returncode == 0
    assert "\0" not in text
    assert len(text) < 20_000


def test_words_of_a_command_reach_it_as_they_are() -> None:
    odd = ("printf", "%s|", "it's", "$HOME", "a b", "*", "", "{user}", "n={numbers}", "{numbers}", "{name}")
    text = command_text(evolve(TOY, queue=odd), "status").partition("programs=")[2]
    dialect = "programs=" + text.partition("# What the scheduler")[0]
    program = f"{dialect}\ncommas() {{ printf '%s' \"$numbers\" | tr ' ' ','; }}\nnumbers='1 2'\nlist"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert done.stdout == f"it's|$HOME|a b|*||{user}|n=1,2|1|2|{{name}}|"


def test_what_submits_is_read_by_a_shell_as_the_words_that_it_is() -> None:
    argv = ["sbatch", "--comment=it's $(x)", "a b", "", "--x=1"]
    assert shlex.split(submit_line(argv)) == argv


def test_a_scheduler_may_have_commands_of_its_own() -> None:
    own = evolve(TOY, commands={"check": "echo mine\n"})
    assert command_text(own, "check").endswith("echo mine\n")
    assert "row absent" not in command_text(own, "check")
