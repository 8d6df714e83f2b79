import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import evalyard.harness.smoke
from evalyard.harness.smoke.cli import main
from evalyard.harness.smoke.questions import load_questions, task_names
from tests.core.harness.smoke_servers import Answer, chat_reply, demo_endpoint, refusal, scripted_endpoint

CANARY = "sk-canary-4f8a1c"
QUESTIONS = load_questions()


def arguments(url: str, output: Path, *more: str) -> list[str]:
    path = "" if url.endswith("completions") else "/v1/chat/completions"
    return ["--url", url + path, "--model", "demo", "--output", str(output), *more]


def read_yaml(output: Path) -> Any:
    return YAML(typ="safe", pure=True).load(output / "results.yml")


def read_samples(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "samples.jsonl").read_text().splitlines()]


def accuracy(entry: Mapping[str, Any]) -> Any:
    return entry["metrics"]["accuracy"]["scores"]["accuracy"]


def copied(tmp_path: Path) -> Path:
    """The harness as a folder of its own, away from evalyard."""
    shutil.copytree(Path(evalyard.harness.smoke.__file__).parent, tmp_path / "alone" / "smoke")
    return tmp_path / "alone"


def isolated(parent: Path, *options: str) -> list[str]:
    """The command that runs a copied harness with the standard library and nothing else on the path."""
    start = f"import sys, runpy; sys.path.insert(0, {str(parent)!r}); runpy.run_module('smoke', run_name='__main__')"
    return [sys.executable, "-I", "-S", "-c", start, *options]


def files_text(output: Path) -> str:
    return "".join(path.read_text() for path in output.rglob("*") if path.is_file())


def test_a_run_leaves_results_that_agree_with_its_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with demo_endpoint() as url:
        assert main(arguments(url, tmp_path)) == 0
    samples, results = read_samples(tmp_path), read_yaml(tmp_path)
    assert [sample["id"] for sample in samples] == [question.id for question in QUESTIONS]
    assert set(results["results"]["tasks"]) == set(task_names(QUESTIONS)[1:])
    for name, entry in {**results["results"]["tasks"], **results["results"]["groups"]}.items():
        graded = [sample["score"] for sample in samples if name in ("smoke", f"smoke.{sample['kind']}")]
        assert accuracy(entry)["value"] == accuracy(entry)["stats"]["mean"] == sum(graded) / len(graded)
        assert accuracy(entry)["stats"]["count"] == len(graded)
    assert (tmp_path / "progress").read_text().strip() == str(len(QUESTIONS))
    assert json.loads((tmp_path / "statistics.json").read_text()) == results["metadata"]["statistics"]
    lines = capsys.readouterr().out.splitlines()
    assert "smoke test" in lines[0]
    assert "NOT a benchmark" in lines[0]
    assert sum(" samples, accuracy so far " in line for line in lines) >= len(QUESTIONS) // 10
    assert str(tmp_path / "results.yml") in lines[-1]


def test_results_state_what_was_asked(tmp_path: Path) -> None:
    with demo_endpoint() as url:
        given = arguments(url, tmp_path, "--limit", "3", "--parallelism", "2", "--top-p", "0.5", "--max-tokens", "9")
        assert main(given) == 0
    results = read_yaml(tmp_path)
    assert list(results) == ["command", "config", "target", "git_hash", "metadata", "results"]
    assert results["command"].startswith("python3 -m evalyard.harness.smoke --url http://127.0.0.1:")
    assert results["config"] == {
        "type": "smoke",
        "output_dir": str(tmp_path),
        "params": {
            "limit_samples": 3,
            "max_new_tokens": 9,
            "max_retries": 3,
            "parallelism": 2,
            "task": "smoke",
            "temperature": 0.0,
            "request_timeout": 60.0,
            "top_p": 0.5,
            "extra": {},
        },
    }
    endpoint = {"model_id": "demo", "type": "chat", "api_key_name": None, "stream": False}
    assert results["target"] == {"api_endpoint": {"url": f"{url}/v1/chat/completions", **endpoint}}


def test_one_kind_alone_gives_one_task_and_no_group(tmp_path: Path) -> None:
    with demo_endpoint() as url:
        assert main(arguments(url, tmp_path, "--task", "smoke.logic")) == 0
    results = read_yaml(tmp_path)["results"]
    assert list(results["tasks"]) == ["smoke.logic"]
    assert results["groups"] == {}
    assert {sample["kind"] for sample in read_samples(tmp_path)} == {"logic"}


@pytest.mark.parametrize(("limit", "count"), [("7", 7), ("0.1", -(-len(QUESTIONS) // 10)), ("1", 1)])
def test_a_limit_asks_the_first_questions_only(tmp_path: Path, limit: str, count: int) -> None:
    with demo_endpoint() as url:
        assert main(arguments(url, tmp_path, "--limit", limit)) == 0
    assert [sample["id"] for sample in read_samples(tmp_path)] == [question.id for question in QUESTIONS[:count]]
    assert (tmp_path / "progress").read_text().strip() == str(count)


def test_completions_streams_and_a_second_run_give_the_same_scores(tmp_path: Path) -> None:
    ways = {
        "chat": ("/v1/chat/completions",),
        "again": ("/v1/chat/completions", "--parallelism", "3"),
        "chat-stream": ("/v1/chat/completions", "--stream"),
        "completions": ("/v1/completions", "--type", "completions"),
        "completions-stream": ("/v1/completions", "--type", "completions", "--stream"),
    }
    with demo_endpoint() as url:
        for name, (path, *more) in ways.items():
            assert main(arguments(url + path, tmp_path / name, *more)) == 0
    verdicts = {name: [(s["id"], s["response"], s["score"]) for s in read_samples(tmp_path / name)] for name in ways}
    assert all(verdict == verdicts["chat"] for verdict in verdicts.values())
    assert len({str(read_yaml(tmp_path / name)["results"]) for name in ways}) == 1


def test_a_changed_question_file_changes_the_score_by_exactly_one_nth(tmp_path: Path) -> None:
    with demo_endpoint() as url:
        assert main(arguments(url, tmp_path / "before")) == 0
        before = read_samples(tmp_path / "before")
        alone = copied(tmp_path)
        victim = next(sample["id"] for sample in before if sample["score"] == 1 and sample["kind"] == "strings")
        bundled = alone / "smoke" / "questions.jsonl"
        rows = [json.loads(line) for line in bundled.read_text().splitlines()]
        changed = [{**row, "expected": "999"} if row["id"] == victim else row for row in rows]
        bundled.write_text("".join(json.dumps(row) + "\n" for row in changed))
        subprocess.run(isolated(alone, *arguments(url, tmp_path / "after")), check=True, capture_output=True)
    after = read_samples(tmp_path / "after")
    lost = sum(sample["score"] for sample in before) - sum(sample["score"] for sample in after)
    assert Fraction(lost, len(QUESTIONS)) == Fraction(1, len(QUESTIONS))
    digests = {read_yaml(tmp_path / name)["metadata"]["questions_sha256"] for name in ("before", "after")}
    assert len(digests) == 2


def test_a_copy_runs_without_evalyard(tmp_path: Path) -> None:
    alone = copied(tmp_path)
    with demo_endpoint() as url:
        finished = subprocess.run(
            isolated(alone, *arguments(url, tmp_path / "out")),
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert main(arguments(url, tmp_path / "here")) == 0
    assert finished.stderr == ""
    assert finished.returncode == 0
    assert read_yaml(tmp_path / "out")["results"] == read_yaml(tmp_path / "here")["results"]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_stops_the_run_with_the_servers_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    with scripted_endpoint(lambda *_: refusal(status, "not for you")) as server:
        assert main(arguments(server.url, tmp_path, "--parallelism", "2")) == 1
    assert len(server.requests) <= 2
    assert f"HTTP {status}: not for you" in capsys.readouterr().out
    assert not (tmp_path / "results.yml").exists()
    assert read_samples(tmp_path)[0]["error"] == f"HTTP {status}: not for you"


def test_a_refused_connection_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert main(arguments(f"http://127.0.0.1:{port}", tmp_path, "--retries", "0")) == 1
    out = capsys.readouterr().out
    assert "the endpoint could not be reached" in out
    assert f"connection refused by 127.0.0.1:{port}" in out


def test_samples_without_reply_are_counted_by_cause_and_no_score_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {2: refusal(500, "tripped"), 5: refusal(500, "tripped"), 6: refusal(503, "tired")}
    (tmp_path / "results.yml").write_text("results: of an earlier run")
    with scripted_endpoint(lambda number, *_: answers.get(number, chat_reply("42"))) as server:
        assert main(arguments(server.url, tmp_path, "--retries", "0", "--limit", "8", "--parallelism", "1")) == 1
    out = capsys.readouterr().out
    assert "failed: 3 of 8 samples got no reply, 0 were not tried" in out
    assert "2 x HTTP 500: tripped" in out
    assert "1 x HTTP 503: tired" in out
    assert " ".join(QUESTIONS[place].id for place in sorted(answers)) in out
    assert not (tmp_path / "results.yml").exists()
    assert [sample["score"] is None for sample in read_samples(tmp_path)] == [place in answers for place in range(8)]
    statistics = json.loads((tmp_path / "statistics.json").read_text())
    assert statistics["sample_error_rate"] == 3 / 8


def echo_of_the_key(number: int, _: dict[str, Any], headers: dict[str, str]) -> Answer:
    quoted = f"you sent {headers['Authorization']}"
    return refusal(500, quoted) if number == 1 else chat_reply(f'{quoted} "{CANARY}"')


def test_the_api_key_is_sent_but_neither_printed_nor_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_KEY", CANARY)
    options = ("--api-key-name", "MY_KEY", "--limit", "5", "--retries", "0", "--parallelism", "1")
    with scripted_endpoint(echo_of_the_key) as server:
        assert main(arguments(server.url, tmp_path / "failed", *options)) == 1
    with scripted_endpoint(lambda _, body, headers: echo_of_the_key(0, body, headers)) as server:
        assert main(arguments(server.url, tmp_path / "fine", *options)) == 0
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {CANARY}"}
    printed = capsys.readouterr()
    assert CANARY not in printed.out + printed.err + files_text(tmp_path)
    assert "[redacted]" in printed.out
    assert read_yaml(tmp_path / "fine")["target"]["api_endpoint"]["api_key_name"] == "MY_KEY"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--api-key-name", "SURELY_UNSET"], "'SURELY_UNSET' is not set"),
        (["--url", "ftp://x/"], "not an http or https URL"),
        (["--url", "http://"], "not an http or https URL"),
        (["--url", "http://x:99999/"], "not a URL"),
        (["--url", f"http://me:{CANARY}@x/"], "use --api-key-name"),
        (["--limit", "0"], "must be a count"),
        (["--limit", "2.5"], "must be a count"),
        (["--limit", "nan"], "not a finite number"),
        (["--parallelism", "0"], "at least 1"),
        (["--parallelism", "two"], "not a whole number"),
        (["--temperature", "-1"], "at least 0"),
        (["--top-p", "2"], "at most 1"),
        (["--timeout", "0"], "above 0"),
        (["--task", "smoke.nothing"], "smoke.logic"),
        (["--nonsense"], "unrecognized"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments("http://127.0.0.1:9", tmp_path / "out"), *options])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert CANARY not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel"], ids=ascii)
def test_a_key_that_no_header_can_carry_is_refused_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(SystemExit) as stopped:
        main(arguments("http://127.0.0.1:9", tmp_path, "--api-key-name", "MY_KEY"))
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "no HTTP header can carry" in error
    assert key not in error


def test_an_output_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(arguments("http://127.0.0.1:9", tmp_path / "file" / "out")) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_what_was_finished_and_gives_no_score(tmp_path: Path, number: signal.Signals) -> None:
    with demo_endpoint(latency_ms=25) as url:
        process = subprocess.Popen(
            isolated(copied(tmp_path), *arguments(url, tmp_path / "out", "--parallelism", "1")),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("10/"):
                    break
            os.kill(process.pid, number)
            rest, error = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert error == ""
    assert number.name in rest
    finished = len(read_samples(tmp_path / "out"))
    assert 10 <= finished < len(QUESTIONS)
    assert (tmp_path / "out" / "progress").read_text().strip() == str(finished)
    assert not (tmp_path / "out" / "results.yml").exists()


def test_the_folder_holds_text_files_only() -> None:
    folder = Path(evalyard.harness.smoke.__file__).parent
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert kinds == {".py", ".jsonl"}
