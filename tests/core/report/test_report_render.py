"""evalyard.report.render: one file, the same each time, in which nothing that others wrote is markup."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from evalyard.report.render import GENERATOR
from evalyard.report.texts import Texts
from evalyard.scoring.records import JobResults
from evalyard.secrets import redact
from evalyard.states import JobState
from tests.core.report.made_up import OTHER_RUN, full_page, job, page, score

EVIL = "<script>alert('evil')</script><img src=x onerror=\"alert(1)\">&amp;{{ 7 * 7 }}'"
VOID = {"br", "hr", "img", "input", "link", "meta"}


class Reader(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        given = dict(attrs)
        self.attributes |= given.keys()
        self.ids += [value for value in [given.get("id")] if value]
        self.links += [value for name in ("href", "src", "action") if (value := given.get(name))]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.text += data


def everywhere(text: str) -> tuple[tuple[JobResults, ...], Texts]:
    """Return results with a text wherever one of somebody else's can be."""
    asked = ("executor", "harness", "image", "package", "model_id", "endpoint_url", "endpoint_type")
    named = (*asked, "artifacts", "image_digest", "config", "log", "reason", "started_at")
    others: dict[str, Any] = {name: f"{text} {name}" for name in named}
    others |= {"deployment": text, "source": text, "created_at": text, "evalyard_version": text}
    parameters = {f"{text} key": {text: [text]}}
    measured = score(f"{text} task", 0.5, stderr=0.1, metric=f"{text} metric")
    jobs = (
        job(
            measured,
            score(f"{text} task", 12.0, metric=f"{text} ppl"),
            parameters=parameters,
            **others,
        ),
        job(number=2, task=text, state=JobState.FAILED, problem=text, **others),
        job(measured, run=OTHER_RUN),
    )
    return jobs, Texts(logs={others["log"]: text}, configurations={others["config"]: text})


def test_nothing_that_others_wrote_is_markup() -> None:
    jobs, texts = everywhere(EVIL)
    read = Reader(page(*jobs, title=EVIL, texts=texts))
    plain = Reader(page(*everywhere("plain")[0], title="plain", texts=everywhere("plain")[1]))
    assert read.tags == plain.tags
    assert read.attributes == plain.attributes
    assert not {name for name in read.attributes if name.startswith("on")}
    for kind in ("task", "metric", "key", "harness", "image_digest", "reason", "model_id", "log", "config"):
        assert f"{EVIL} {kind}" in read.text, kind
    assert "49" not in re.findall(r"evil.{0,60}", read.text)


def test_a_secret_is_nowhere_however_it_is_written() -> None:
    secret = 'can<ary>&"it"'
    redact.add([secret])
    jobs, texts = everywhere(secret)
    html = page(*jobs, title=secret, texts=texts)
    assert "ary" not in html.replace("Summary", "").replace("summary", "")
    assert "*** task" in html


def test_user_and_password_of_a_url_are_nowhere() -> None:
    jobs, texts = everywhere("http://someone:canary@host.example/v1")
    html = page(*jobs, texts=texts)
    assert "canary" not in html
    assert "someone" not in html
    assert "http://host.example/v1" in html


def test_a_page_is_well_formed_and_each_link_leads_to_a_place_on_it(tmp_path: Path) -> None:
    read = Reader(full_page(tmp_path))
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))
    assert {link.removeprefix("#") for link in read.links if link != "data:,"} <= set(read.ids)
    assert read.tags["script"] == 1


def test_a_page_needs_no_other_file(tmp_path: Path) -> None:
    html = full_page(tmp_path)
    assert not re.search(r"@import|url\(\s*[\"']?(?!#)|<(iframe|object|embed|base)\b|\bfetch\(|XMLHttpRequest", html)


def test_the_same_results_make_the_same_page(tmp_path: Path) -> None:
    assert full_page(tmp_path) == full_page(tmp_path)


def test_a_page_tells_early_what_made_it() -> None:
    assert GENERATOR in page(job())[:1024]


def test_everything_is_there_without_a_script(tmp_path: Path) -> None:
    html = full_page(tmp_path)
    text = Reader(html).text
    for told in (
        "2 of 12 jobs were limited",
        "1 job had not ended",
        "0.7412",
        "± 0.0188",
        "ConnectionError: <the endpoint> & its proxy",
        "exit code 1: the endpoint answered 503 Service Unavailable",
        "api_key_name: NGC_API_KEY",
        "sha256:4f4f",
        "1 worse",
    ):
        assert told in text, told
    assert 'class="tools" hidden' in html


def test_the_end_of_a_log_has_no_colours(tmp_path: Path) -> None:
    html = full_page(tmp_path)
    assert "\x1b" not in html
    assert "[32m" not in html


@pytest.mark.parametrize(
    ("jobs", "told"),
    [
        ((), "0 jobs"),
        ((job(),), "There are no scores."),
        ((job(score(value=float("nan"))),), "nan"),
        ((job(job="x", task=""),), "Provenance"),
    ],
    ids=["no job", "no score", "no number", "a strange card"],
)
def test_little_makes_a_page_too(jobs: tuple[JobResults, ...], told: str) -> None:
    read = Reader(page(*jobs))
    assert told in " ".join(read.text.split())
    assert {link.removeprefix("#") for link in read.links if link != "data:,"} <= set(read.ids)
