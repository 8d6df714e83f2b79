"""The card of a job: what was asked of it, made before it is planned and left in its folder as `job.json`. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import cattrs
from attrs import evolve

import evalyard
from evalyard.ids import job_id
from evalyard.records.files import PlannedFile
from evalyard.records.invocations import Invocation
from evalyard.records.jobs import JobCard
from evalyard.records.plans import Plan
from evalyard.records.programs import Harness, Server
from evalyard.scoring.document import number
from evalyard.specs import EndpointSpec, RunSpec, TaskSpec

CARD_FILE = "job.json"
"""Its name in the task's folder."""

_converter = cattrs.Converter(detailed_validation=False)


def card_for(
    spec: RunSpec,
    invocation: Invocation,
    job: int,
    task: TaskSpec,
    *,
    harness: Harness,
    endpoint: EndpointSpec,
    server: Server | None,
    auxiliary: Sequence[Server] = (),
) -> JobCard:
    """Return the card of a job.

    Args:
        job: its number.
        endpoint: where it will ask; its type is settled.
        auxiliary: the further model servers that it may ask.
    """
    return JobCard(
        job=job_id(invocation.id, job),
        task=task.name,
        executor=invocation.connection.executor,
        harness=harness.name,
        image=harness.image or "",
        package=harness.package,
        model_id=endpoint.model_id or "",
        endpoint_url="" if server else _bare(endpoint.url or ""),
        endpoint_type=endpoint.type or "",
        deployment=spec.deployment.type if spec.deployment else "",
        auxiliary={one.name: one.model_id or "" for one in auxiliary},
        parameters={name: value for name, value in task.params.items() if value is not None},
        limit_samples=_limit(task),
        results=harness.results,
        source=invocation.source,
        created_at=invocation.created_at,
        evalyard_version=evalyard.__version__,
    )


def with_card(plan: Plan, card: JobCard) -> Plan:
    """Return a plan that carries a card, among its files too: with the image or the package, whichever it uses."""
    settled = evolve(card, image=plan.image, package="" if plan.image else card.package)
    text = render_card(settled)

    def written(file: PlannedFile) -> PlannedFile:
        return evolve(file, text=text) if file.path.endswith(f"/{CARD_FILE}") and file.text == before else file

    before = render_card(card)
    needs = tuple(evolve(need, files=tuple(map(written, need.files))) for need in plan.needs)
    return evolve(plan, card=settled, needs=needs)


def card_of(plan: Plan, invocation: Invocation) -> JobCard:
    """Return the card of a planned job; of a plan without one (older versions made those), what it tells."""
    return plan.card or JobCard(
        job=plan.job,
        task=plan.task,
        executor=invocation.connection.executor,
        results=plan.results,
        source=invocation.source,
        created_at=invocation.created_at,
        evalyard_version=invocation.evalyard_version,
    )


def render_card(card: JobCard) -> str:
    """Return the text of `job.json`: every field, in the order of the record."""
    return json.dumps(_converter.unstructure(card), indent=2, ensure_ascii=False, default=str) + "\n"


def parse_card(text: str) -> JobCard | None:
    """Return what a `job.json` says, or None when it is none. Unknown fields are ignored, absent ones default."""
    try:
        return _converter.structure(json.loads(text), JobCard)
    except Exception:  # noqa: BLE001 - the file may hold anything
        return None


def _limit(task: TaskSpec) -> float | None:
    extra: Any = task.params.get("extra")
    given = {**task.params, **(extra if isinstance(extra, dict) else {})}
    limit = number(given.get("limit_samples"))
    return None if math.isnan(limit) else limit


def _bare(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
