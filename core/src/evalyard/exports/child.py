"""The process in which an exporter runs: reads a request, calls the exporter, leaves its answer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalyard.errors import EvalyardError, PluginError, Transient
from evalyard.exports.context import ExportContext
from evalyard.exports.destination import destination
from evalyard.exports.records import Exported
from evalyard.scoring.records import JobResults
from evalyard.specs import Section
from evalyard.store.journal import converter
from evalyard.store.locks import lock_before


def main(arguments: list[str]) -> int:
    """Do what the request in a folder asks for, and leave the answer beside it, by rename."""
    desk = Path(arguments[0])
    request = json.loads((desk / "request.json").read_text(encoding="utf-8"))
    reply: dict[str, Any]
    try:
        reply = {"exported": [converter.unstructure(one) for one in _export(request)]}
    except EvalyardError as error:
        reply = {
            "error": {
                "message": error.message,
                "hint": error.hint,
                "transient": error.transient,
                "exit_code": error.exit_code,
            }
        }
    draft = desk / "reply.new"
    draft.write_text(json.dumps(reply), encoding="utf-8")
    draft.rename(desk / "reply.json")
    return 0


def _export(request: dict[str, Any]) -> Sequence[Exported]:
    deadline = time.monotonic() + float(request["timeout_s"])
    section = converter.structure(request["section"], Section)
    results = tuple(converter.structure(one, JobResults) for one in request["results"])
    chosen = destination(section.name, [section])
    free = lock_before(Path(request["lock"]), deadline, "another export of the same run goes on")
    try:
        context = ExportContext(folder=Path(request["folder"]), deadline=deadline)
        answer: Sequence[Exported] = chosen.exporter().export(context, chosen.settings, results)
        return list(answer)
    except EvalyardError:
        raise
    except OSError as error:  # which errors of connections are, in requests and in the standard library
        raise Transient(f"{section.name}: {error}") from error
    except Exception as error:  # the border to strangers' code: keep the cause, name the plugin
        raise PluginError(
            f"{section.name}: the export failed inside the plugin: {type(error).__name__}: {error}"
        ) from error
    finally:
        free()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
