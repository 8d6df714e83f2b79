"""The command line: what is called what, and the one place that prints errors and exits.

Commands are loaded when they are used, so that `--help` imports neither a plugin nor a heavy library.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from cyclopts import App, CycloptsError

from evalyard import __version__
from evalyard.cli.streams import leave, prepare_streams
from evalyard.errors import EXIT_INTERRUPTED, EXIT_JOB_FAILED, EXIT_OK, EXIT_USAGE, EvalyardError
from evalyard.secrets import redact

EXIT_BUG = 70
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

app = App(
    name="evalyard",
    help="Launch LLM evaluations: any benchmark harness, any OpenAI-compatible endpoint, any backend.",
    version=__version__,
    help_epilogue="Start here: evalyard run --config FILE --wait",
    suppress_keyboard_interrupt=False,  # we say that we were interrupted, and exit with 130
)

_COMMANDS = {
    "run": "Run the evaluations of a configuration.",
    "status": "Show where runs and jobs stand, and why.",
    "logs": "Print or follow the logs of jobs.",
    "kill": "End jobs, and release what they used.",
    "gc": "Remove what was left behind.",
    "resume": "Go on with a run: launch what waits, try again what failed.",
    "info": "Show everything that is known of a run or job.",
    "results": "Show the scores of runs and jobs.",
    "compare": "Compare the scores of runs and jobs.",
    "report": "Make one HTML file of the results of runs and jobs.",
    "export": "Send the results of runs and jobs to destinations.",
    "validate": "Check a configuration without running anything.",
    "init": "Start a configuration from an example.",
    "migrate": "Rewrite a configuration's older spellings.",
    "doctor": "Check this machine, and what a configuration needs.",
}
for _name, _help in _COMMANDS.items():
    app.command(f"evalyard.cli.{_name}:{_name}", name=_name, help=_help)

_ls = App(name="ls", help="List tasks, runs, examples or executors.")
_ls.command("evalyard.cli.ls_tasks:tasks", name="tasks", help="Benchmarks that a configuration may name.")
_ls.command("evalyard.cli.ls_tasks:task", name="task", help="One benchmark, with YAML to begin with.")
_ls.command("evalyard.cli.ls:runs", name="runs", help="Runs, newest first.")
_ls.command("evalyard.cli.ls:examples", name="examples", help="Configurations that come with evalyard.")
_ls.command("evalyard.cli.ls:executors", name="executors", help="Installed executors.")
app.command(_ls)

_plugin = App(name="plugin", help="Begin a plugin of your own.")
_plugin.command("evalyard.cli.plugin:new", name="new", help="Write a package for an executor.")
app.command(_plugin)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    prepare_streams()
    signal.signal(signal.SIGTERM, _interrupt)
    # Commands are short and make few cycles: looking for garbage as eagerly as Python does costs a tenth of their time.
    gc.set_threshold(100_000)
    sys.exit(call(sys.argv[1:] if arguments is None else arguments))


def call(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error ends here as one message on stderr."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError as error:
        return _complain(f"{error}\n  {' '.join(('evalyard', *(error.command_chain or ())))} --help", EXIT_USAGE)
    except EvalyardError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _complain("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe left (`| head`): nothing to say, and nobody to say it to.
        leave(sys.stdout)
        return EXIT_OK
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            return _bug(error)
        leave(sys.stdout)
        return _complain(f"cannot write what there is to say: {error.strerror}", EXIT_JOB_FAILED)
    except Exception as error:  # noqa: BLE001 - the last boundary: whatever escaped is a bug of ours, and says so
        return _bug(error)
    return code if isinstance(code, int) else EXIT_OK


def _bug(error: Exception) -> int:
    if os.environ.get("EVALYARD_DEBUG"):
        raise error
    text = f"a bug in evalyard: {type(error).__name__}: {error}\n  EVALYARD_DEBUG=1 shows where; please report it"
    return _complain(text, EXIT_BUG)


def _complain(text: str, code: int) -> int:
    print(f"error: {redact(text)}", file=sys.stderr)
    return code


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
