"""An export under way: the exporter in a process of its own.

Whatever an SDK does to its process (variables that it wants, threads that it leaves, a connection that hangs, text that
it prints) happens there, and a keeper goes on with its jobs meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalyard.errors import (
    EXIT_BACKEND,
    EXIT_USAGE,
    BackendError,
    EvalyardError,
    PluginError,
    Transient,
    UsageError,
)
from evalyard.exports.destination import Destination
from evalyard.exports.records import Exported
from evalyard.scoring.records import JobResults
from evalyard.store.journal import converter

EXPORT_TIMEOUT_S = 600.0
_POLL_S = 0.02
_STDERR_BYTES = 4096


class Sending:
    """The process that exports the results of some jobs of one run to one destination."""

    def __init__(
        self,
        destination: Destination,
        results: Sequence[JobResults],
        *,
        environ: Mapping[str, str],
        folder: Path,
        lock: Path,
        timeout_s: float = EXPORT_TIMEOUT_S,
    ) -> None:
        """Start it.

        Args:
            environ: all of its variables.
            folder: a lasting folder of the destination's own; made when it is not there.
            lock: the file that keeps two exports of one run to one destination apart.
            timeout_s: how long it may take before it is killed.

        Raises:
            EvalyardError: it cannot be started.
        """
        self.destination = destination
        self._jobs = [result.card.job for result in results]
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        request = {
            "section": converter.unstructure(destination.section),
            "results": [converter.unstructure(result) for result in results],
            "folder": str(folder),
            "lock": str(lock),
            "timeout_s": timeout_s,
        }
        try:
            for needed in (folder, lock.parent):
                needed.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._desk = tempfile.TemporaryDirectory(prefix="evalyard-export-")
            desk = Path(self._desk.name)
            self._reply, self._stderr = desk / "reply.json", desk / "stderr"
            (desk / "request.json").write_text(json.dumps(request, default=str), encoding="utf-8")
            with self._stderr.open("wb") as stream:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "evalyard.exports.child", str(desk)],
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    start_new_session=True,
                    env=dict(environ),
                )
        except OSError as error:
            raise EvalyardError(f"{destination.name}: the export cannot be started: {error}") from error

    def ended(self) -> bool:
        """Whether it has, or had to be killed because its time is up."""
        if self._process.poll() is None and time.monotonic() > self._deadline:
            self._kill()
        return self._process.poll() is not None

    def answer(self) -> tuple[Exported, ...]:
        """Wait for its end, and return where the results are.

        Raises:
            Transient: trying again may help.
            EvalyardError: the destination refused, or the exporter is broken.
        """
        try:
            while not self.ended():
                time.sleep(_POLL_S)
            return self._read()
        finally:
            self.drop()

    def drop(self) -> None:
        """Make an end of it, if it has not ended, and forget it."""
        if self._process.poll() is None:
            self._kill()
        self._desk.cleanup()

    def _kill(self) -> None:
        # The group: an SDK may have started helpers. Gone already is as good.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _read(self) -> tuple[Exported, ...]:
        name = self.destination.name
        try:
            reply = json.loads(self._reply.read_text(encoding="utf-8"))
        except OSError:
            if time.monotonic() > self._deadline:
                raise Transient(f"{name}: no end within {self._timeout_s:.0f} s") from None
            code = self._process.returncode
            raise PluginError(
                f"{name}: the exporter ended with code {code} and no answer{self._last_words()}"
            ) from None
        if "error" in reply:
            raise _error(reply["error"])
        found = tuple(converter.structure(one, Exported) for one in reply["exported"])
        silent = sorted(set(self._jobs) ^ {one.job for one in found})
        if silent:
            raise PluginError(f"{name}: the exporter's answer is not about {', '.join(silent)}, or nobody asked")
        return found

    def _last_words(self) -> str:
        with self._stderr.open("rb") as stream:
            stream.seek(max(0, self._stderr.stat().st_size - _STDERR_BYTES))
            lines = stream.read().decode("utf-8", errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f": {said[-1]}" if said else ""


def _error(data: Mapping[str, Any]) -> EvalyardError:
    if data["transient"]:
        kind: type[EvalyardError] = Transient
    else:
        kind = {EXIT_BACKEND: BackendError, EXIT_USAGE: UsageError}.get(data["exit_code"], EvalyardError)
    return kind(data["message"], hint=data["hint"])
