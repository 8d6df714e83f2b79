"""evalyard.store.journal: whatever happens to a line costs that line only, and it is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from evalyard.errors import StoreError
from evalyard.records.handles import Handle
from evalyard.records.plans import NeedKind
from evalyard.secrets import redact
from evalyard.states import JobState
from evalyard.store.journal import Damage, Entry, Event, append, read

FULL = Entry(
    event=Event.STATE,
    at=12.5,
    job=2,
    attempt=3,
    mark="m",
    kind=NeedKind.SERVER,
    handle=Handle(name="n", mark="m", outputs={"base_url": "http://h"}),
    state=JobState.FAILED,
    reason="two\nlines, Grüße \u2028 🙂",
    exit_code=7,
    by_hand=True,
    started_at="2026-01-02T03:04:05Z",
    ended_at="2026-01-02T03:04:06Z",
)


def entry(job: int) -> Entry:
    return Entry(event=Event.SENDING, at=1.0, job=job)


def jobs_in(path: Path) -> list[int]:
    return [found.job for found in read(path)[0]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_an_entry_reads_back_equal_and_takes_one_line(path: Path) -> None:
    append(path, [FULL, entry(1)])
    assert read(path) == ((FULL, entry(1)), ())
    assert path.read_bytes().count(b"\n") == 2


def test_an_absent_journal_is_empty_and_appending_nothing_makes_none(path: Path) -> None:
    append(path, [])
    assert read(path) == ((), ())
    assert not path.exists()


def test_only_the_owner_can_read_a_journal(path: Path) -> None:
    append(path, [entry(1)])
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kept", range(1, 40, 3))
def test_a_torn_last_line_costs_that_line_and_the_next_writer_starts_a_new_one(path: Path, kept: int) -> None:
    append(path, [entry(1)])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:kept])
    assert jobs_in(path) == [1]
    append(path, [entry(2), entry(3)])
    assert jobs_in(path) == [1, 2, 3]
    assert [(damage.path, damage.line) for damage in read(path)[1]] == [(str(path), 2)]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"event": "sending"}',
        b'{"event": "sending", "at": "soon"}',
        b'{"event": "state", "at": 1, "state": "SLEEPING"}',
        b'{"event": "danced", "at": 1}',
        b"\xff\xfe",
        b"\0\0\0\0",
        b"[" * 100_000,
    ],
    ids=lambda line: line[:20].decode("latin-1").replace("\0", "NUL"),
)
def test_a_damaged_line_is_named_and_the_rest_kept(path: Path, line: bytes) -> None:
    append(path, [entry(1)])
    path.write_bytes(path.read_bytes() + line + b"\n")
    append(path, [entry(2)])
    assert jobs_in(path) == [1, 2]
    (damage,) = read(path)[1]
    assert str(damage).startswith(f"{path}:2: not a journal entry")


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_no_content_makes_reading_fail(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(b"\n".join(lines))
    append(path, [entry(7)])
    entries, damage = read(path)
    assert entries[-1] == entry(7)
    assert len(entries) + len(damage) <= path.read_bytes().count(b"\n")


def test_fields_of_a_newer_version_are_ignored(path: Path) -> None:
    append(path, [FULL])
    newer = json.loads(path.read_text()) | {"weather": {"sun": [1]}}
    newer["handle"] |= {"colour": "red"}
    path.write_text(json.dumps(newer) + "\n")
    assert read(path) == ((FULL,), ())


def test_known_secrets_never_reach_the_journal(path: Path) -> None:
    redact.add(["canary-in-a-reason"])
    append(path, [Entry(event=Event.STATE, at=1.0, job=1, reason="it said canary-in-a-reason")])
    assert "canary" not in path.read_text()
    assert read(path)[0][0].reason == "it said ***"


def test_a_reason_with_a_lone_surrogate_is_recorded_all_the_same(path: Path) -> None:
    reason = b"cannot open \xff".decode("utf-8", "surrogateescape")
    append(path, [Entry(event=Event.STATE, at=1.0, job=1, reason=reason)])
    assert read(path)[0][0].reason == reason


def test_a_place_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        append(tmp_path / "file" / "journal.jsonl", [entry(1)])
    assert "cannot record in" in caught.value.message
    assert "EVALYARD_HOME" in (caught.value.hint or "")


def test_a_journal_that_cannot_be_read_is_damage_and_no_crash(path: Path) -> None:
    path.mkdir()
    assert read(path) == ((), (Damage(path=str(path), line=0, problem="Is a directory"),))


FILL = """
import resource, sys
from pathlib import Path
from evalyard.errors import StoreError
from evalyard.store.journal import Entry, Event, append
path, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    append(path, [Entry(event=Event.SENDING, at=1.0, job=2)])
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("room", [0, 1, 20])
def test_a_full_disk_is_an_error_and_leaves_a_journal_that_works_again(path: Path, room: int) -> None:
    append(path, [entry(1)])
    limit = path.stat().st_size + room
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path), str(limit)], capture_output=True, text=True, check=True
    )
    assert f"cannot record in {path}" in done.stdout
    assert jobs_in(path) == [1]
    append(path, [entry(3)])
    assert jobs_in(path) == [1, 3]
    assert len(read(path)[1]) == (1 if room else 0)


WRITER = """
import sys
from pathlib import Path
from evalyard.store.journal import Entry, Event, append
writer = int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for line in range(1, 201):
    reason = "x" * (line * 7 % 300)
    append(Path(sys.argv[1]), [Entry(event=Event.STATE, at=1.0, job=writer, attempt=line, reason=reason)])
"""


def test_eight_writers_at_once_lose_and_mix_nothing(path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(1, 9)
    ]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:
        writer.communicate("go\n")
    assert [writer.returncode for writer in writers] == [0] * 8
    entries, damage = read(path)
    assert damage == ()
    assert [[e.attempt for e in entries if e.job == number] for number in range(1, 9)] == [list(range(1, 201))] * 8
