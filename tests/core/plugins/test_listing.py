"""evalyard.plugins.listing: what each executor offers, or in one line why it cannot be used."""

from __future__ import annotations

import pytest

from evalyard.plugins.discovery import EXECUTORS
from evalyard.plugins.listing import CAPABILITIES, Listed, list_executors
from evalyard.plugins.markers import API

from .conftest import EXECUTOR, Install

PROVISIONS = f"""{EXECUTOR}
    @hookimpl
    def provision(self, ctx, need):
        return Handle(name=need.name, mark=need.mark, kind=need.kind)
    @hookimpl
    def orphans(self, ctx, known):
        return ()
"""


def listed(name: str) -> list[Listed]:
    return [one for one in list_executors() if one.plugin.name == name]


def test_an_executor_is_listed_with_its_api_and_what_it_offers(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", PROVISIONS)
    (toy,) = listed("toy")
    assert (toy.plugin.package, toy.plugin.version, toy.api) == ("evalyard-toy", "1.2", API)
    assert toy.capabilities == ("provision", "orphans")
    assert toy.problem == ""


def test_capabilities_are_what_an_executor_may_leave_out() -> None:
    assert CAPABILITIES == ("check", "provision", "fetch", "orphans")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("raise RuntimeError('half an\\n upgrade')", "cannot be loaded: RuntimeError: half an upgrade"),
        ("raise SystemExit('bye')", "cannot be loaded: SystemExit: bye"),
        ("import nothing_of_this_name", "cannot be loaded: ModuleNotFoundError: No module named"),
        (EXECUTOR.replace("class Toy", "class Other"), "cannot be loaded: AttributeError"),
        (EXECUTOR.replace(f"api = {API}", "api = 99"), f"is written for API 99; this evalyard has API {API}"),
        (EXECUTOR.replace("    @hookimpl\n    def cancel", "    def cancel"), "does not implement cancel"),
        (EXECUTOR.replace("def cancel", "def cancle"), "unknown hook 'cancle'; did you mean 'cancel'?"),
        (
            f"{EXECUTOR}\n    @hookimpl\n    def provison(self, ctx, need): ...\n",
            "unknown hook 'provison'; did you mean",
        ),
        (f"{EXECUTOR}\n    def __init__(self): raise ValueError('no key')\n", "cannot be made: ValueError: no key"),
        (
            EXECUTOR.replace("def find(self, ctx, names)", "def find(self, ctx, wanted)"),
            "'find' wants wanted; it is handed ctx, names",
        ),
    ],
)
def test_one_that_cannot_be_used_says_why_in_one_line_and_disturbs_no_other(
    install: Install, code: str, problem: str
) -> None:
    install(EXECUTORS, "broken", "Toy", code)
    install(EXECUTORS, "toy", "Toy", EXECUTOR)
    (broken,) = listed("broken")
    assert problem in broken.problem
    assert "\n" not in broken.problem
    assert (broken.api, broken.capabilities) == (None, ())
    (toy,) = listed("toy")
    assert (toy.api, toy.problem) == (API, "")


def test_of_two_that_claim_a_name_both_say_so(install: Install) -> None:
    install(EXECUTORS, "toy", "Toy", EXECUTOR, package="evalyard-toy")
    install(EXECUTORS, "toy", "Toy", EXECUTOR, package="rival-toy")
    problems = [one.problem for one in listed("toy")]
    assert len(problems) == 2
    assert all("evalyard-toy" in problem and "rival-toy" in problem for problem in problems)
