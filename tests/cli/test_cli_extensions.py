"""Strangers' packages: what a working extension may do, and what a broken one may not."""

import json
import textwrap
from pathlib import Path

import pytest

from tests.cli.yard import Yard, kill

OBSERVER = """
    from attrs import frozen
    from evalyard import hookimpl

    @frozen(kw_only=True)
    class Settings:
        file: str
        word: str = "launching"

    class Observer:
        api = 1
        Settings = Settings

        def __init__(self, settings):
            self.settings = settings

        @hookimpl(wrapper=True)
        def launch(self, ctx, plans):
            with open(self.settings.file, "a") as stream:
                stream.write("".join(f"{self.settings.word} {plan.name}\\n" for plan in plans))
            return (yield)
"""
VETO = """
    from evalyard import InvalidJob, hookimpl

    class Veto:
        api = 1

        @hookimpl(wrapper=True)
        def launch(self, ctx, plans):
            raise InvalidJob("the site forbids it today")
            yield
"""
PLAIN = """
    from evalyard import hookimpl

    class Plain:
        api = 1

        @hookimpl
        def launch(self, ctx, plans):
            return {}
"""


LISTENER = """
    import json
    import os
    from pathlib import Path

    from attrs import frozen
    from evalyard import Transient, hookimpl

    @frozen(kw_only=True)
    class Settings:
        file: str
        fault: str = ""

    class Listener:
        api = 1
        Settings = Settings

        def __init__(self, settings):
            self.settings = settings

        @hookimpl
        def ended(self, ctx, ends):
            fault = Path(self.settings.fault or "/nowhere")
            if fault.exists():
                word = fault.read_text()
                fault.unlink()
                if word == "later":
                    raise Transient("nobody answers")
                raise RuntimeError(word)
            there = [Path(end.directory, "artifacts", "results.yml").exists() for end in ends]
            with open(self.settings.file, "a") as stream:
                stream.write("".join(f"{e.job} {e.task} {e.state} {t}\\n" for e, t in zip(ends, there, strict=True)))
"""


def install(yard: Yard, name: str, source: str, group: str = "evalyard.extensions", package: str = "") -> None:
    """Put a package with one plugin `<name> = stranger_<name>:<Name>` where PYTHONPATH points to."""
    site = yard.folder / "site"
    package = package or f"stranger-{name}"
    module = package.replace("-", "_")
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{name.capitalize()}\n")
    (site / f"{module}.py").write_text(textwrap.dedent(source))


@pytest.fixture(autouse=True)
def site(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = yard.folder / "site"
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def test_an_extension_sees_every_launch_also_those_of_the_keeper_with_its_settings(yard: Yard) -> None:
    install(yard, "observer", OBSERVER)
    seen = yard.folder / "seen"
    extensions = {"observer": {"file": str(seen), "word": "off we go:"}}
    yard.config(yard.gated("one"), yard.task("two"), execution={"mode": "sequential"}, extensions=extensions)
    invocation = yard.run("run.yaml")
    assert seen.read_text() == f"off we go: ey-{invocation}-1-1\n"
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED", "SUCCEEDED")
    assert seen.read_text().splitlines() == [f"off we go: ey-{invocation}-{n}-1" for n in (1, 2)]


def test_settings_of_an_extension_are_checked_like_our_own(yard: Yard) -> None:
    install(yard, "observer", OBSERVER)
    yard.config(yard.task("one"), extensions={"observer": {"fiel": "x"}})
    done = yard.call("run", "-c", "run.yaml", code=2)
    assert "extensions.observer" in done.err
    assert "file" in done.err
    assert "run.yaml:" in done.err


def test_an_extension_may_forbid_a_launch_in_its_own_words(yard: Yard) -> None:
    install(yard, "veto", VETO)
    yard.config(yard.task("one", yard.note("ran")), extensions={"veto": {}})
    done = yard.call("run", "-c", "run.yaml", "--wait", code=1)
    assert "the site forbids it today" in yard.jobs(done.out.strip())[0]["reason"]
    assert yard.notes() == []


def test_a_broken_extension_stops_run_and_only_warns_those_who_read(yard: Yard) -> None:
    install(yard, "observer", OBSERVER)
    yard.config(yard.gated("one"), extensions={"observer": {"file": str(yard.folder / "seen")}})
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    (yard.folder / "site" / "stranger_observer.py").write_text("raise RuntimeError('half an upgrade')")
    done = yard.call("run", "-c", "run.yaml", code=2)
    assert "stranger-observer 1.0 cannot be loaded: RuntimeError: half an upgrade" in done.err
    assert done.out == ""
    shown = yard.call("status", invocation)
    assert "RUNNING" in shown.out
    assert "half an upgrade" in shown.err
    for command in ("logs", "info"):
        yard.call(command, invocation)
    assert "CANCELLED" in yard.call("kill", invocation).out


def test_a_broken_extension_that_is_switched_off_stops_nothing(yard: Yard) -> None:
    install(yard, "observer", "raise RuntimeError('broken')")
    yard.config(yard.task("one"), extensions={"observer": {"enabled": False, "file": "x"}})
    yard.run("run.yaml", "--wait")


def test_an_extension_that_would_replace_the_executor_is_a_load_error_naming_it(yard: Yard) -> None:
    install(yard, "plain", PLAIN)
    yard.config(yard.task("one"), extensions={"plain": {}})
    done = yard.call("run", "-c", "run.yaml", code=2)
    assert "stranger_plain" in done.err
    assert "wrapper=True" in done.err


def test_a_broken_executor_leaves_everything_else_untouched(yard: Yard) -> None:
    install(yard, "cluster", "raise SystemError('no such SDK')", group="evalyard.executors")
    yard.call("--help")
    assert "cluster" in yard.call("ls", "executors").out
    yard.config(yard.task("one"))
    invocation = yard.run("run.yaml", "--wait")
    yard.call("status", invocation)
    done = yard.call("run", "-c", "run.yaml", "-o", "execution.type=cluster", code=2)
    assert "stranger-cluster 1.0" in done.err
    assert "no such SDK" in done.err
    assert "stranger-cluster" in yard.call("doctor", code=2).out


def test_an_executor_for_another_api_or_claimed_twice_names_the_packages(yard: Yard) -> None:
    install(yard, "future", "class Future:\n    api = 7\n", group="evalyard.executors")
    yard.config(yard.task("one"), execution={"type": "future"})
    done = yard.call("run", "-c", "run.yaml", code=2)
    assert "stranger-future 1.0 is written for API 7; this evalyard has API 1" in done.err
    install(yard, "local", "class Local: ...", group="evalyard.executors")
    yard.config(yard.task("one"), name="local.yaml")
    done = yard.call("run", "-c", "local.yaml", code=2)
    assert "stranger-local" in done.err
    assert "evalyard-local" in done.err
    yard.call("ls", "executors")
    yard.call("--help")


def test_a_run_of_an_executor_that_was_uninstalled_is_shown_with_what_is_missing(yard: Yard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    record = yard.home / "runs" / invocation / "invocation.json"
    kept = record.read_text()
    record.write_text(json.dumps(json.loads(kept) | {"connection": {"executor": "gone"}}))
    done = yard.call("status", invocation, code=3)
    assert "UNKNOWN" in done.out
    assert "'gone' is not installed" in done.text
    assert invocation in yard.call("ls", "runs").out
    assert "'gone' is not installed" in yard.call("kill", invocation, code=2).err
    record.write_text(kept)
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED")


def listening(yard: Yard, *tasks: dict[str, object], **execution: object) -> Path:
    install(yard, "listener", LISTENER)
    heard, fault = yard.folder / "heard", yard.folder / "fault"
    yard.config(*tasks, execution=execution, extensions={"listener": {"file": str(heard), "fault": str(fault)}})
    return heard


def test_an_extension_is_told_of_every_end_once_its_artifacts_are_there(yard: Yard) -> None:
    heard = listening(yard, yard.task("one"), yard.task("two", "exit 3"), mode="sequential")
    done = yard.call("run", "-c", "run.yaml", "--wait", code=1)
    invocation = done.out.strip()
    assert heard.read_text().splitlines() == [
        f"{invocation}.1 one SUCCEEDED True",
        f"{invocation}.2 two FAILED False",
    ]
    yard.call("status", invocation, code=1)
    assert len(heard.read_text().splitlines()) == 2


def test_who_left_is_told_by_the_keeper(yard: Yard) -> None:
    heard = listening(yard, yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    assert not heard.exists()
    yard.open_gates("one")
    yard.await_states(invocation, "SUCCEEDED")
    yard.await_text(heard, f"{invocation}.1 one SUCCEEDED True\n")


def test_a_kill_is_told_too(yard: Yard) -> None:
    heard = listening(yard, yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    yard.call("kill", invocation)
    yard.await_text(heard, f"{invocation}.1 one CANCELLED False\n")


def test_an_end_that_a_broken_extension_missed_is_shown_and_told_once_it_is_mended(yard: Yard) -> None:
    heard = listening(yard, yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_notes("start one")
    kill(yard.keeper(invocation).pid)
    module = yard.folder / "site" / "stranger_listener.py"
    whole = module.read_text()
    module.write_text("raise RuntimeError('half an upgrade')")
    missed = f"extensions were not told that {invocation}.1 ended (extension 'listener' is left out: "
    assert missed in yard.call("kill", invocation).err
    assert f"half an upgrade): evalyard kill {invocation}" in yard.call("status", invocation, code=1).err
    module.write_text(whole)
    yard.call("kill", invocation)
    assert heard.read_text() == f"{invocation}.1 one CANCELLED False\n"
    assert "not told" not in yard.call("status", invocation, code=1).err


def test_who_could_not_listen_is_told_again(yard: Yard) -> None:
    heard = listening(yard, yard.task("one"))
    (yard.folder / "fault").write_text("later")
    done = yard.call("run", "-c", "run.yaml", "--wait")
    assert heard.read_text() == f"{done.out.strip()}.1 one SUCCEEDED True\n"


def test_an_extension_that_fails_to_listen_disturbs_nothing(yard: Yard) -> None:
    heard = listening(yard, yard.task("one"))
    (yard.folder / "fault").write_text("no such attribute")
    done = yard.call("run", "-c", "run.yaml", "--wait")
    assert not heard.exists()
    assert "RuntimeError: no such attribute" in done.err
    assert yard.jobs(done.out.strip())[0]["state"] == "SUCCEEDED"
