"""Asks for sums and keeps the answers as they arrived: what a benchmark scores is what it was given."""

import argparse
import json
import os
import time
import urllib.request
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("url", "model", "output"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("temperature", "top-p", "timeout", "wait"):
        parser.add_argument(f"--{name}", type=float)
    for name in ("max-tokens", "parallelism", "questions", "retries"):
        parser.add_argument(f"--{name}", type=int)
    options = parser.parse_args()
    answers = [ask(options, number) for number in range(1, options.questions + 1)]
    Path(options.output, "answers.json").write_text(json.dumps(answers))
    time.sleep(options.wait)


def ask(options: argparse.Namespace, number: int) -> str:
    body = {
        "model": options.model,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "max_tokens": options.max_tokens,
        "messages": [{"role": "user", "content": f"{number} + 1"}],
    }
    headers = {"Content-Type": "application/json"}
    if os.environ.get("TALLY_KEY"):
        headers["Authorization"] = f"Bearer {os.environ['TALLY_KEY']}"
    request = urllib.request.Request(options.url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=options.timeout) as reply:
        text: str = json.load(reply)["choices"][0]["message"]["content"]
    return text


if __name__ == "__main__":
    main()
