"""The only way to a cluster: commands on the login node, over ssh or, where that is this machine, right here."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from evalyard.batch.system import one_line
from evalyard.errors import BackendError, Transient
from evalyard.plugins.context import Context
from evalyard.secrets import quote

LONGEST_S = 600.0
CONNECT_TIMEOUT_S = 20
PERSIST_S = 120
"""How long the connection stays open for the next command."""
SSH_FAILED = 255


def ask(
    ctx: Context,
    text: str,
    arguments: Sequence[str] = (),
    given: bytes = b"",
    plain: Callable[[str], str] = one_line,
) -> bytes:
    """Run a text with sh on the login node and return what it prints.

    Args:
        given: its standard input.
        plain: what is told of the scheduler's words.

    Raises:
        Transient: it could not be reached, or did not answer in time: whether the command took effect is not known.
        BackendError: it cannot be used.
    """
    address = ctx.connection.address
    hostname = address.get("hostname", "")
    if hostname:
        argv = [*ssh_words(hostname, address.get("username", "")), remote_line(text, arguments)]
    else:
        argv = ["sh", "-c", text, "sh", *arguments]
    timeout_s = min(ctx.remaining_s, LONGEST_S)
    where = hostname or "this machine"
    # Into a file: the connection that stays open may keep the end of a pipe.
    with tempfile.TemporaryFile() as complaints:
        try:
            done = subprocess.run(
                argv, input=given, stdout=subprocess.PIPE, stderr=complaints, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise Transient(f"{where}: no answer within {timeout_s:.0f} s") from None
        except FileNotFoundError:
            raise BackendError(f"there is no {argv[0]} on PATH", hint="install an OpenSSH client") from None
        complaints.seek(0)
        said = complaints.read().decode("utf-8", "replace")
    if done.returncode == 0:
        return done.stdout
    if hostname and done.returncode == SSH_FAILED:
        raise _unreachable(hostname, said)
    raise Transient(f"{where}: {plain(said) or f'the command ended with code {done.returncode}'}")


def ssh_words(hostname: str, username: str) -> list[str]:
    """Return the ssh command without what it shall run: the user's own configuration, and one connection for all."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_TIMEOUT_S),
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
        "ControlMaster": "auto",
        "ControlPersist": str(PERSIST_S),
        "ControlPath": f"{_sockets()}/%C",
        "ForwardX11": "no",
        "RequestTTY": "no",
    }
    words = ["ssh", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    return [*words, *(["-l", username] if username else []), "--", hostname]


def remote_line(text: str, arguments: Sequence[str]) -> str:
    """Return one line that runs a text with sh, whatever shell somebody has there: csh and fish read it alike."""
    encoded = text.replace("\\", "\\0134").replace("\n", "\\n").replace("'", "\\0047").replace("!", "\\0041")
    return " ".join(["exec sh -c", quote('eval "$(printf %b "$0")"'), quote(encoded), *map(quote, arguments)])


def _sockets() -> Path:
    """Return the folder of the sockets of open connections; its path has to be short.

    Raises:
        BackendError: somebody else has it.
    """
    # Not TMPDIR, which on macOS is longer than a socket's path may be.
    base = os.environ.get("XDG_RUNTIME_DIR") or "/tmp"  # noqa: S108 - the folder below it is made sure of
    folder = Path(base) / f"evalyard-ssh-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise BackendError(
            f"{folder} must be a folder that is yours alone", hint=f"rm -r {shlex.quote(str(folder))}, if it is yours"
        )
    return folder


def _unreachable(hostname: str, said: str) -> BackendError:
    last = " ".join((said.strip().splitlines() or ["ssh gave no reason"])[-1].split())
    if "Permission denied" in said or "Host key verification failed" in said or "No supported auth" in said:
        return BackendError(
            f"ssh {hostname}: {last}",
            hint=f"log in without a question being asked: ssh -o BatchMode=yes {hostname} true",
        )
    return Transient(f"ssh {hostname}: {last}", hint=f"ssh {hostname} true")
