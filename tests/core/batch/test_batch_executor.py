"""evalyard.batch.executor: hooks to inherit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evalyard import BatchExecutor, Connection, Context, Finding, Job, Need, NeedKind, PlannedFile, hookimpl
from evalyard.plugins.discovery import implements
from evalyard.plugins.hookspecs import REQUIRED
from evalyard.plugins.session import Session
from tests.core.batch.jobs import ToySettings, make_job
from tests.core.batch.toy import TOY, Toy


class ToyExecutor(BatchExecutor):
    api = 1
    Settings = ToySettings
    system = TOY

    def header(self, settings: ToySettings, job: Job) -> Sequence[str]:
        return [f"-t {settings.walltime_s} {job.name}"]

    def command(self, settings: ToySettings, job: Job) -> Sequence[str]:
        return ["--time", str(settings.walltime_s)]


class Reticent(ToyExecutor):
    """Offers less, and checks in its own way."""

    orphans = None  # type: ignore[assignment]

    @hookimpl
    def check(self, ctx: Context, plans: Sequence[Any]) -> Sequence[Finding]:
        return ()


CONNECTION = Connection(executor="toy", shares_disk=True)


def test_what_is_inherited_is_implemented_and_what_is_none_is_not_offered() -> None:
    optional = {"check", "provision", "fetch", "orphans"}
    assert all(implements(ToyExecutor, hook) for hook in REQUIRED | optional)
    assert all(implements(Reticent, hook) for hook in REQUIRED | optional - {"orphans"})
    assert not implements(Reticent, "orphans")


def test_a_session_takes_inherited_hooks_and_replaced_ones(toy: Toy) -> None:
    del toy
    context = Context(connection=CONNECTION)
    assert [finding.subject for finding in Session(ToyExecutor, CONNECTION).check(context)] == ["toy"]
    session = Session(Reticent, CONNECTION)
    assert session.check(context) == ()
    assert session.orphans(context, {}) == ()


def test_a_header_is_in_the_planned_script_and_options_in_the_planned_command() -> None:
    plan = Session(ToyExecutor, CONNECTION).plan(ToySettings(output_dir="/out"), make_job())
    (script,) = [file.text for need in plan.needs for file in need.files if file.path == "smoke/job.sh"]
    assert "#TOY -t 3600 ey-a1b2c3d4-1-1\n" in script
    assert plan.argv == ("tsub", "--time", "3600", "--name", "ey-a1b2c3d4-1-1", "job.sh", "1")


def test_files_are_written_where_the_need_says(toy: Toy, ctx: Context, tmp_path: Path) -> None:
    del toy
    files = (PlannedFile(path="a/b", text="x"),)
    need = Need(key="files", kind=NeedKind.FILES, directory=str(tmp_path / "new"), files=files, name="n", mark="m")
    handle = Session(ToyExecutor, CONNECTION).provision(ctx, need)
    assert (handle.name, handle.mark, handle.kind) == ("n", "m", NeedKind.FILES)
    assert (tmp_path / "new" / "a" / "b").read_text() == "x"


def test_settings_say_where_the_cluster_is() -> None:
    far = ToySettings(output_dir="/out", hostname="login", username="me").connection()
    assert (far.executor, far.address, far.shares_disk) == ("toy", {"hostname": "login", "username": "me"}, False)
    near = ToySettings(output_dir="/out", username="me", poll_interval_s=9).connection()
    assert (near.address, near.shares_disk, near.poll_interval_s) == ({}, True, 9)


@pytest.mark.parametrize("word", ["-oProxyCommand=x", "two words", "two\nlines"])
def test_a_hostname_that_ssh_would_take_for_something_else_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="hostname"):
        ToySettings(output_dir="/out", hostname=word)
