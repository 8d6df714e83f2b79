"""The program: serves until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence

from .server import Behaviour, DemoServer

END_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints where it listens, then serves. Returns 0 after a signal and 1 where the address cannot be listened on;
    usage errors exit with 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    behaviour = Behaviour(
        models=tuple(options.model or ["demo"]),
        latency_ms=options.latency_ms,
        failure_rate=options.failure_rate,
        seed=options.seed,
        startup_delay_s=options.startup_delay_s,
        constant=options.constant,
        api_key=_api_key(parser, options.api_key_name),
    )
    try:
        server = DemoServer(options.host, options.port, behaviour)
    except (OSError, OverflowError) as error:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {error}\n")
        return 1
    # Blocked before the line below is printed, as whoever reads it may send one at once, and before the thread starts,
    # which inherits it. A handler could run just before a blocking wait began, which would then never end.
    signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"listening on {server.url}\n")
    sys.stdout.flush()
    signal.sigwait(END_SIGNALS)
    server.server_close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python3 -m {__package__}",
        description="An OpenAI-compatible endpoint without a model: a few rules answer simple questions.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="0 takes any free one")
    add("--model", action="append", metavar="ID", help="model id to serve, may be given several times (default: demo)")
    add("--latency-ms", type=_from_zero, default=0.0, metavar="MS", help="delay of each answer")
    add("--failure-rate", type=_share, default=0.0, metavar="SHARE", help="share of the questions that get status 503")
    add("--seed", type=int, default=0, help="of the choice which questions fail")
    add("--startup-delay-s", type=_from_zero, default=0.0, metavar="S", help="not ready before that many seconds")
    add("--constant", metavar="TEXT", help="answer this to everything")
    add("--api-key-name", metavar="NAME", help="environment variable with the API key that requests have to carry")
    return parser


def _from_zero(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 or more: {text!r}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1: {text!r}")
    return value


def _api_key(parser: argparse.ArgumentParser, name: str | None) -> str | None:
    if name is None:
        return None
    value = os.environ.get(name, "").strip()
    if not value:
        parser.error(f"--api-key-name: the environment variable {name!r} is not set")
    return value
