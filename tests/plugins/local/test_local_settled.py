"""evalyard_local.settled: what an attempt keeps for life, whoever starts or adopts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from evalyard import BackendError, InvalidJob
from evalyard_local import settled as module
from evalyard_local.settled import Settled, settle, settled
from tests.plugins.local.attempts import attempt_in, file_of


def test_nothing_is_settled_before_somebody_does(tmp_path: Path) -> None:
    assert settled(attempt_in(tmp_path)) is None


@pytest.mark.parametrize(
    "wish",
    [
        Settled(grace_s=4.5),
        Settled(grace_s=4.5, port=8123),
        Settled(grace_s=4.5, container="ey-1-smoke", keep="failed", results="results.yml"),
        Settled(port=8000, container="ey-server", keep="all", outputs={"base_url": "http://model:8000"}),
    ],
    ids=["job", "server", "job in a container", "server in a container"],
)
def test_what_is_settled_is_kept(tmp_path: Path, wish: Settled) -> None:
    attempt = attempt_in(tmp_path)
    assert settle(attempt, wish) == settled(attempt) == wish


def test_what_an_earlier_version_settled_is_read(tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    file = file_of(attempt, "settled.json")
    file.parent.mkdir(parents=True)
    file.write_text('{"grace_s": 3.0, "port": null}')
    assert settled(attempt) == Settled(grace_s=3.0)


def test_whoever_comes_later_gets_what_was_settled_first(tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    first = settle(attempt, Settled(grace_s=4.5, port=8123, container="first"))
    assert settle(attempt, Settled(grace_s=60.0, port=0, container="second")) == first


def test_any_free_port_is_settled_once(tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    first = settle(attempt, Settled(port=0))
    assert first.port is not None
    assert 0 < first.port < 65536
    assert settle(attempt, Settled(port=0)) == first


def test_the_next_attempt_settles_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = iter([20001, 20002])
    monkeypatch.setattr(module, "free_port", lambda _: next(ports))
    attempt = attempt_in(tmp_path)
    attempts = [attempt, evolve(attempt, number=2)]
    assert [settle(attempt, Settled(port=0)).port for attempt in attempts] == [20001, 20002]


def test_of_two_who_settle_at_once_both_have_what_the_first_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_in(tmp_path)
    file = file_of(attempt, "settled.json")

    def slower_than_another(_: str) -> int:
        file.write_text('{"grace_s": 3.0, "port": 20001}')
        return 20002

    monkeypatch.setattr(module, "free_port", slower_than_another)
    assert settle(attempt, Settled(port=0)) == Settled(grace_s=3.0, port=20001)
    assert [path.name for path in file.parent.iterdir()] == ["settled.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"grace_s": 1, "port": "eighty"}',
        b'{"grace_s": 1, "port": 1, "outputs": []}',
        b"\xff",
    ],
    ids=["empty", "torn", "a list", "nothing in it", "a word for a port", "a list of outputs", "no UTF-8"],
)
def test_a_damaged_file_is_named_and_never_written_over(tmp_path: Path, content: bytes) -> None:
    attempt = attempt_in(tmp_path)
    file = file_of(attempt, "settled.json")
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert settled(attempt) is None
    with pytest.raises(InvalidJob) as caught:
        settle(attempt, Settled())
    assert caught.value.message == f"{file} is damaged; remove it"
    assert file.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    (tmp_path / "attempts").write_text("in the way")
    with pytest.raises(BackendError) as caught:
        settle(attempt, Settled())
    assert caught.value.message == f"cannot write {tmp_path / 'attempts' / '1'}: Not a directory"
