"""Stands in for nemo-evaluator in an image: one question, and a result file in its form."""

import argparse
import json
import os
import re
import urllib.request
from pathlib import Path

RESULTS = "results: {{tasks: {{{0}: {{metrics: {{answered: {{scores: {{answered: {{value: {1}}}}}}}}}}}}}}}\n"

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("command", choices=["run_eval"])
for name in ("run_config", "output_dir", "model_url"):
    parser.add_argument(f"--{name}", required=True)
options = parser.parse_args()
config = Path(options.run_config).read_text()


def stated(name: str) -> str:
    found = re.search(rf"^ +{name}: (\S+)$", config, re.MULTILINE)
    return found[1].strip("\"'") if found else ""


task, model, key = (stated(name) for name in ("type", "model_id", "api_key_name"))
headers = {"Content-Type": "application/json"}
if key:
    headers["Authorization"] = f"Bearer {os.environ[key]}"
body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Say hello."}]}).encode()
with urllib.request.urlopen(urllib.request.Request(options.model_url, body, headers), timeout=30) as reply:
    answered = float(bool(json.load(reply)["choices"]))
Path(options.output_dir, "results.yml").write_text(RESULTS.format(task.rpartition(".")[2], answered))
