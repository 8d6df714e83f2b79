"""Virtual environments for harnesses in host mode: one for each package and Python, built once and kept.

An environment is built under a name of its own and then published by renaming a link to it: whoever finds the link
finds a whole environment. It is not moved, as the scripts in it hold their own path.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from evalyard import BackendError, Context, Handle, Need, NeedKind, quote

BIN_VARIABLE = "EVALYARD_HARNESS_BIN"
"""In the job: the folder with the harness's programs; empty = they are on PATH."""
BIN_OUTPUT = "bin"
_POLL_S = 0.2
_PROBE_TIMEOUT_S = 60.0
_LONGEST_REASON = 400
_ERROR_LINES = ("error", "cause", "×", "╰─▶")
"""How lines begin in which pip and uv say what went wrong."""


def cache_home(environ: Mapping[str, str]) -> Path:
    """Return the cache home: `EVALYARD_CACHE`, else `evalyard` under the XDG cache home. It may not exist yet."""
    own = environ.get("EVALYARD_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    xdg = environ.get("XDG_CACHE_HOME")
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".cache"
    return base / "evalyard"


def environment_need(program: str, package: str, environ: Mapping[str, str]) -> Need:
    """Return the need of a harness that is a program, installed by a package."""
    folder = environment_folder(package, environ)
    return Need(
        key=f"env-{hashlib.sha256(f'{program} {folder}'.encode()).hexdigest()[:8]}",
        kind=NeedKind.ENVIRONMENT,
        directory=folder,
        payload={"program": program, "package": package},
    )


def environment_folder(package: str, environ: Mapping[str, str]) -> str:
    """Return where the environment of a package is, or would be."""
    python = f"{sys.implementation.name}{sys.version_info.major}.{sys.version_info.minor}"
    # Homes are shared between machines that cannot run each other's programs.
    build = f"{package} {python} {sys.platform} {platform.machine()}"
    readable = re.sub(r"[^a-z0-9._-]+", "-", f"{package}-{python}".lower()).strip("-")
    return str(cache_home(environ) / "environments" / f"{readable}-{hashlib.sha256(build.encode()).hexdigest()[:8]}")


def program_text(script: str, need: Need) -> str:
    """Return a harness's script with its environment first on PATH; by hand that is the cached one, if there is one."""
    by_hand = quote(f"{need.directory}/bin")
    return f"""\
if [ -z "${{{BIN_VARIABLE}+set}}" ]; then {BIN_VARIABLE}={by_hand}; fi
if [ -d "${BIN_VARIABLE}" ]; then PATH=${BIN_VARIABLE}:$PATH; export PATH; fi
{script}"""


def provide(ctx: Context, need: Need) -> Handle:
    """Return a handle whose output `bin` is the folder of the harness's programs; empty where PATH has them.

    What is on PATH counts only when the package is installed beside it: `nemo-evaluator` runs what its own environment
    has, and another's lacks the harness.

    Raises:
        BackendError: it cannot be installed; the message has the installer's own words.
    """
    program, package = str(need.payload["program"]), str(need.payload["package"])
    found = shutil.which(program)
    if found and _has(Path(found), package):
        ctx.say(f"{program}: the one on PATH ({found})")
        return _handle(need, "")
    link = Path(need.directory)
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        with _locked(ctx, link.with_name(f"{link.name}.lock"), package):
            if not _whole(link, program):
                _build(ctx, link, program, package)
    except OSError as error:
        raise BackendError(f"cannot make an environment for {package} at {error.filename}: {error.strerror}") from error
    return _handle(need, str(link / "bin"))


def _handle(need: Need, folder: str) -> Handle:
    return Handle(
        name=need.name,
        mark=need.mark,
        kind=need.kind,
        outputs={BIN_OUTPUT: folder},
        data={"directory": need.directory},
    )


def _whole(link: Path, program: str) -> bool:
    # Follows links: an interpreter that was removed leaves an environment that cannot start anything.
    return (link / "bin" / program).exists() and (link / "bin" / "python").exists()


def _has(program: Path, package: str) -> bool:
    """Whether a distribution is installed in the environment that a program belongs to."""
    name = re.split(r"[\[<>=!~;@ ]", package, maxsplit=1)[0]
    python = _interpreter(program)
    if python is None:
        return False
    code = f"import importlib.metadata as m; m.version({json.dumps(name)})"
    try:
        done = subprocess.run(
            [*python, "-c", code], capture_output=True, stdin=subprocess.DEVNULL, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _interpreter(program: Path) -> Sequence[str] | None:
    """Return the command of the interpreter that a script's first line names."""
    try:
        with program.open("rb") as stream:
            first = stream.readline(4096).decode(errors="replace").strip()
    except OSError:
        return None
    if first == "#!/bin/sh":  # pip's way round paths that are too long for a first line, or have spaces
        beside = program.resolve().with_name("python")
        return [str(beside)] if beside.exists() else None
    return first[2:].split() if first.startswith("#!") else None


@contextmanager
def _locked(ctx: Context, path: Path, package: str) -> Iterator[None]:
    """Hold a lock while an environment is looked at or built; whoever comes second waits and finds it there."""
    with path.open("a") as stream:
        said = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not said:
                    ctx.say(f"{package}: another run is installing it; waiting")
                said = True
                _check_time(ctx, package)
                time.sleep(_POLL_S)
        yield


def _build(ctx: Context, link: Path, program: str, package: str) -> None:
    for left in link.parent.glob(f"{link.name}.build-*"):
        # The lock is ours, so nobody builds these any more; what a broken environment's link points at goes too.
        if left.is_symlink():
            left.unlink()
        else:
            shutil.rmtree(left, ignore_errors=True)
    target = link.with_name(f"{link.name}.build-{secrets.token_hex(4)}")
    log = link.with_name(f"{link.name}.log")
    uv = shutil.which("uv")
    ctx.say(f"{package}: installing into {link} ({'uv' if uv else 'pip'}; this is done once)")
    started = time.monotonic()
    try:
        with log.open("wb") as stream:
            for argv in _commands(target, package, uv):
                _run(ctx, argv, stream, package, log)
        if not (target / "bin" / program).exists():
            raise BackendError(f"{package} was installed, and brings no program '{program}'")
        draft = link.with_name(f"{target.name}.link")
        draft.symlink_to(target.name)
        draft.replace(link)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    ctx.say(f"{package}: installed in {time.monotonic() - started:.0f} s")


def _commands(target: Path, package: str, uv: str | None) -> Sequence[Sequence[str]]:
    python = str(target / "bin" / "python")
    if uv:
        return (
            [uv, "venv", "--quiet", "--python", sys.executable, str(target)],
            [uv, "pip", "install", "--python", python, "--", package],
        )
    return (
        [sys.executable, "-m", "venv", str(target)],
        [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--", package],
    )


def _run(ctx: Context, argv: Sequence[str], log: IO[bytes], package: str, log_path: Path) -> None:
    # The installer shall see the user's own settings of indexes and proxies, but not the environment we run in.
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environ)
    try:
        while process.poll() is None:
            _check_time(ctx, package)
            time.sleep(_POLL_S)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode != 0:
        said = _last_words(log_path)
        raise BackendError(f"{package} could not be installed: {said} (all of it: {log_path})")


def _check_time(ctx: Context, package: str) -> None:
    if ctx.cancelled():
        raise BackendError(f"{package}: cancelled while it was being installed")
    if ctx.remaining_s <= 0:
        raise BackendError(f"{package}: not installed in time")


def _last_words(log: Path) -> str:
    """Return what an installer said last: its errors, else its last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(_ERROR_LINES)] or lines[-1:] or ["it said nothing"]
    return "; ".join(errors[-3:])[-_LONGEST_REASON:]
