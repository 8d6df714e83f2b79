"""evalyard.plugins.discovery: by metadata, imported on use, every failure with its package and its remedy."""

from __future__ import annotations

import pytest

from evalyard.errors import PluginError
from evalyard.plugins.discovery import (
    EXECUTORS,
    EXTENSIONS,
    LoadFailure,
    check_executors,
    implements,
    installed,
    load_executor,
    load_extension,
)
from evalyard.plugins.session import made_plugin

from .conftest import EXECUTOR, Install

WRAPPER = """
from evalyard import hookimpl

class Audit:
    api = 1
    @hookimpl(wrapper=True)
    def launch(self, ctx, plans):
        return (yield)
"""


def why(load: str) -> PluginError:
    """Return the error of loading an executor."""
    with pytest.raises(PluginError) as caught:
        load_executor(load)
    return caught.value


def test_an_installed_executor_is_found_and_loaded(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR)
    toy = load_executor("toy")
    assert toy.__name__ == "Toy"
    assert implements(toy, "launch")
    assert not implements(toy, "provision")


def test_listing_reads_metadata_and_imports_nothing(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", "raise SystemExit('imported')", package="evalyard-toy", module="toy_unimported")
    toy = next(plugin for plugin in installed(EXECUTORS) if plugin.name == "toy")
    assert (toy.package, toy.version, toy.target) == ("evalyard-toy", "1.2", "toy_unimported:Toy")


@pytest.mark.parametrize("name", ["slurm", "lepton"])
def test_an_absent_executor_of_ours_says_which_package_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalyard.plugins.discovery.installed", lambda _: ())
    error = why(name)
    assert str(error) == f"execution.type '{name}' is not installed\n  pip install evalyard-{name}"
    assert error.exit_code == 2


def test_a_mistyped_executor_gets_the_nearest_name_and_what_is_there(install: Install) -> None:
    install(EXECUTORS, "toybox", "Toy", EXECUTOR)
    error = why("toybxo")
    assert error.message == "execution.type 'toybxo' is not installed; did you mean 'toybox'?"
    assert "toybox" in (error.hint or "")


def test_two_packages_that_claim_a_name_are_both_named(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR, package="evalyard-toy", version="1.0")
    install(EXECUTORS, "toy", "Toy", EXECUTOR, package="rival-toy", version="2.0")
    error = why("toy")
    assert "evalyard-toy 1.0" in error.message
    assert "rival-toy 2.0" in error.message
    assert error.hint == "uninstall all but one"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import no_such_sdk", "ModuleNotFoundError: No module named 'no_such_sdk'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
        ("Other = 1", "AttributeError"),
    ],
    ids=["missing dependency", "failing import", "syntax error", "no such attribute"],
)
def test_a_package_that_cannot_be_imported_is_named_with_its_problem(install: Install, code: str, problem: str) -> None:
    install(EXECUTORS, "toy", "Toy", code)
    error = why("toy")
    assert "package evalyard-toy 1.2 cannot be loaded" in error.message
    assert problem in error.message
    assert error.hint == "pip install --upgrade evalyard-toy"


@pytest.mark.parametrize("api", ["api = 7", "", "api = None"], ids=["newer", "absent", "none"])
def test_an_executor_for_another_api_is_refused_with_both_numbers(install: Install, api: str) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR.replace("api = 1", api))
    error = why("toy")
    assert f"written for API {api.partition('= ')[2] or None}; this evalyard has API 1" in error.message
    assert "evalyard-toy 1.2" in error.message


def test_what_is_no_class_is_refused(install: Install) -> None:
    install(EXECUTORS, "toy", "make", EXECUTOR + "\ndef make(): return Toy()\n")
    assert "is not a class" in why("toy").message


@pytest.mark.parametrize("hook", ["plan", "launch", "find", "status", "logs", "cancel", "teardown"])
def test_an_executor_without_a_required_hook_is_incomplete(install: Install, hook: str) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR.replace(f"    @hookimpl\n    def {hook}(", f"    def {hook}("))
    error = why("toy")
    assert f"executor 'toy' does not implement {hook}; " in error.message
    assert error.hint == f"mark with @hookimpl what is there already: {hook}"


def test_a_misspelt_hook_is_named_with_its_package_and_the_nearest_name(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", f"{EXECUTOR}\n    @hookimpl\n    def provison(self, ctx, need): ...\n")
    says = "a hook does not fit its specification: unknown hook 'provison'; did you mean 'provision'?"
    assert why("toy").message == f"execution.type 'toy': package evalyard-toy 1.2: {says}"


@pytest.mark.parametrize(
    "find",
    [
        "@hookimpl\n    def find(self, names)",
        "@hookimpl\n    def find(self, ctx, names, own=1)",
        "@hookimpl\n    def find(self, names, *, own=1, **more)",
        "@staticmethod\n    @hookimpl\n    def find(ctx, names)",
        "@classmethod\n    @hookimpl\n    def find(cls, names)",
    ],
)
def test_a_hook_need_not_take_all_that_it_is_handed_and_may_have_more_of_its_own(install: Install, find: str) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR.replace("@hookimpl\n    def find(self, ctx, names)", find))
    assert made_plugin("toy", load_executor("toy"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    Settings = Settings", ""),
        ("@attrs.frozen(kw_only=True)\n", ""),
        ("def connection", "def place"),
    ],
    ids=["no settings", "plain class", "no connection"],
)
def test_an_executor_without_typed_settings_and_a_connection_is_refused(install: Install, old: str, new: str) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR.replace(old, new))
    assert "no attrs class `Settings` with a method `connection()`" in why("toy").message


def test_a_broken_executor_leaves_the_others_untouched(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR)
    install(EXECUTORS, "wreck", "Toy", "1 / 0")
    assert load_executor("toy")
    checked = {
        (result.plugin.name if isinstance(result, LoadFailure) else result.name): result for result in check_executors()
    }
    assert not isinstance(checked["toy"], LoadFailure)
    wreck = checked["wreck"]
    assert isinstance(wreck, LoadFailure)
    assert "ZeroDivisionError" in wreck.reason
    assert wreck.remedy == "pip install --upgrade evalyard-wreck"


def test_an_extension_that_wraps_is_accepted(install: Install) -> None:
    install(EXTENSIONS, "audit", "Audit", WRAPPER)
    assert load_extension("audit").__name__ == "Audit"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("wrapper=True", ""),
        ("wrapper=True", "tryfirst=True"),
        ("(wrapper=True)\n    def launch", "(specname='launch')\n    def quietly"),
    ],
    ids=["plain", "tryfirst", "under another name"],
)
def test_an_extension_whose_answer_would_replace_the_executors_is_refused(install: Install, old: str, new: str) -> None:
    install(EXTENSIONS, "audit", "Audit", WRAPPER.replace(old, new))
    with pytest.raises(PluginError, match=r"extension 'audit' \(evalyard_audit.*'launch' plainly"):
        load_extension("audit")


def test_an_absent_extension_is_named_with_what_is_there(install: Install) -> None:
    install(EXTENSIONS, "audit", "Audit", WRAPPER)
    with pytest.raises(PluginError) as caught:
        load_extension("audti")
    assert str(caught.value) == "extensions.audti is not installed\n  installed: audit"
