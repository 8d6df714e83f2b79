"""The command line: what is accepted, and its meaning as typed settings."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence
from urllib.parse import urlsplit

from .client import Endpoint
from .questions import WHOLE_TASK


@dataclass(frozen=True)
class Settings:
    """All that a run depends on."""

    endpoint: Endpoint
    output: Path
    task: str
    limit: float | None
    """A count of questions, or below 1 a share of them; None is all."""
    parallelism: int
    retries: int
    api_key_name: str | None


def parse(arguments: Sequence[str], tasks: Sequence[str]) -> Settings:
    """Settings from arguments and, for the API key, the environment. Prints usage and exits with 2 on a mistake."""
    parser = _parser(tasks)
    options = parser.parse_args(arguments)
    api_key = _api_key(parser, options.api_key_name)
    return Settings(
        endpoint=Endpoint(
            url=options.url,
            model=options.model,
            type=options.type,
            api_key=api_key,
            stream=options.stream,
            temperature=options.temperature,
            max_tokens=options.max_tokens,
            top_p=options.top_p,
            timeout_s=options.timeout,
        ),
        output=options.output,
        task=options.task,
        limit=options.limit,
        parallelism=options.parallelism,
        retries=options.retries,
        api_key_name=options.api_key_name,
    )


def _parser(tasks: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python3 -m {__package__}",
        description="Ask an OpenAI-compatible endpoint the bundled questions and score the replies. "
        "A smoke test, not a benchmark.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--url", required=True, type=_url, help="full URL, such as http://127.0.0.1:8000/v1/chat/completions")
    add("--model", required=True, help="model id to ask for")
    add("--type", choices=("chat", "completions"), default="chat", help="which of the two APIs the URL is")
    add("--output", required=True, type=Path, metavar="DIR", help="folder for results.yml and the rest")
    add("--task", choices=tasks, default=WHOLE_TASK, help="all questions, or those of one kind")
    add("--limit", type=_limit, metavar="N", help="the first N questions, or below 1 that share of them")
    add("--parallelism", type=_at_least(int, 1), default=8, metavar="N", help="requests under way at once")
    add("--temperature", type=_at_least(float, 0), default=0.0)
    add("--max-tokens", type=_at_least(int, 1), default=256, metavar="N", help="longest reply")
    add("--top-p", type=_share)
    add("--retries", type=_at_least(int, 0), default=3, metavar="N", help="further tries of a failed request")
    add("--timeout", type=_timeout_s, default=60.0, metavar="SECONDS", help="for one request")
    add("--api-key-name", metavar="NAME", help="environment variable that holds the API key")
    add("--stream", action="store_true", help="ask for streamed replies")
    return parser


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not a URL: {error}") from None
    if parts.username is not None or parts.password is not None:
        # Not quoted: what stands there is a secret.
        raise argparse.ArgumentTypeError("holds a user name or password: use --api-key-name instead")
    if not usable or not all("!" <= character <= "~" for character in text):
        raise argparse.ArgumentTypeError(f"not an http or https URL: {text!r}")
    return text


def _number(convert: Callable[[str], Any], text: str) -> Any:
    try:
        value = convert(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not {'a whole' if convert is int else 'a'} number: {text!r}") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise argparse.ArgumentTypeError(f"not a finite number: {text!r}")
    return value


def _at_least(convert: Callable[[str], Any], least: int) -> Callable[[str], Any]:
    def checked(text: str) -> Any:
        value = _number(convert, text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}: {text!r}")
        return value

    return checked


def _limit(text: str) -> float:
    value: float = _number(float, text)
    if value <= 0 or (value > 1 and not value.is_integer()):
        raise argparse.ArgumentTypeError(f"must be a count such as 20 or a share below 1 such as 0.1: {text!r}")
    return int(value) if value >= 1 else value


def _share(text: str) -> float:
    value: float = _number(float, text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1: {text!r}")
    return value


def _timeout_s(text: str) -> float:
    value: float = _number(float, text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be above 0: {text!r}")
    return value


def _api_key(parser: argparse.ArgumentParser, name: str | None) -> str | None:
    if name is None:
        return None
    value = os.environ.get(name, "").strip()
    if not value:
        parser.error(f"--api-key-name: the environment variable {name!r} is not set; export it first")
    if not all(" " <= character <= "~" for character in value):
        parser.error(f"--api-key-name: the value of {name!r} holds characters that no HTTP header can carry")
    return value
