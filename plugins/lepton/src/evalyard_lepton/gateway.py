"""The only user of the SDK: about a dozen requests, each with a deadline, retries and errors that say what to do.

The SDK is imported when the first gateway is opened, as that takes seconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from attrs import frozen

from evalyard import BackendError, Context, InvalidJob, SecretError, Transient
from evalyard_lepton.payloads import Json
from evalyard_lepton.workspaces import current_workspace

T = TypeVar("T")

TOKEN_VARIABLE = "LEPTON_WORKSPACE_TOKEN"  # noqa: S105 - a name
ALIVE, ALL = "alive_only", "alive_and_archive"
MOST_TRIES = 5
FIRST_PAUSE_S = 0.5
LONGEST_REQUEST_S = 60.0
CONNECT_S = 10.0
PAGE = 500
LOGIN = "lep login, or set LEPTON_WORKSPACE_ID and LEPTON_WORKSPACE_TOKEN (dashboard: Settings, Tokens)"


class Absent(Exception):
    """The service has no such thing."""


class Conflict(Exception):
    """The service has something of that name, or is still removing it."""


@frozen(kw_only=True)
class JobView:
    """What the service says of a job."""

    id: str
    name: str
    state: str
    """The service's word; `UNK` for one that the SDK does not know."""
    envs: Mapping[str, str]
    """Variables that are no secrets."""
    created_at_ms: int = 0
    completed_at: int = 0
    """In the service's own unit; 0 = not yet."""


@frozen(kw_only=True)
class EndpointView:
    """What the service says of an endpoint."""

    name: str
    state: str
    """The service's word; its real phase where it has one."""
    url: str
    envs: Mapping[str, str]
    created_at_ms: int = 0


@frozen(kw_only=True)
class Trouble:
    """Why an endpoint is not ready, as far as the service says."""

    reasons: tuple[tuple[str, str], ...] = ()
    """Reason and message of each replica that is not ready."""
    exit_codes: tuple[int, ...] = ()
    """Of every end of its program, oldest first."""
    events: tuple[tuple[str, int], ...] = ()
    """Reason and count of each event that is not normal."""


@frozen(kw_only=True)
class LogLine:
    """One line of a log."""

    at_ns: int
    text: str


class Gateway:
    """One workspace.

    Raises (all methods):
        Transient: no answer, or "later", for as long as could be waited.
        BackendError: the workspace cannot be used; the hint says what to do.
        InvalidJob: it refused this one request, in its own words.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._client = _client(ctx)
        self.requests = 0
        """How many were made."""

    # --- the workspace ----------------------------------------------------------------------------------------------

    def workspace(self) -> str:
        """Return the workspace's name: proves address and token."""
        info = self._ask("the workspace", lambda: self._client.info(timeout=self._timeout()))
        return str(info.workspace_name)

    def node_groups(self) -> dict[str, str]:
        """Return the ids of node groups by name."""
        groups = self._ask("node groups", self._client.nodegroup.list_all)
        return {str(group.metadata.name): str(group.metadata.id_) for group in groups}

    def node_group(self, wanted: str) -> str:
        """Return the id of a node group that is given by name or id. Raises InvalidJob listing those there are."""
        groups = self.node_groups()
        if wanted in groups:
            return groups[wanted]
        if wanted in groups.values():
            return wanted
        raise InvalidJob(f"there is no node group '{wanted}'; there are: {', '.join(sorted(groups)) or 'none'}")

    def shapes(self, node_group: str = "") -> frozenset[str]:
        """Return the names of resource shapes."""
        shapes = self._ask("shapes", lambda: self._client.shapes.list_shapes(node_group or None))
        return frozenset(str(shape.spec.name or shape.metadata.name) for shape in shapes)

    # --- jobs -------------------------------------------------------------------------------------------------------

    def jobs(self, part: str, mode: str = ALIVE) -> list[JobView]:
        """Return the jobs whose names contain a text."""
        found: dict[str, JobView] = {}
        page = 1
        while True:
            ask = self._client.job.list_all
            jobs = self._ask("jobs", lambda: ask(job_query_mode=mode, q=part, page=page, page_size=PAGE))  # noqa: B023
            before = len(found)
            found.update({view.id: view for view in map(_job_view, jobs) if part in view.name})
            # A service that does not know pages gives the same one for ever.
            if len(jobs) < PAGE or len(found) == before:
                return list(found.values())
            page += 1

    def job(self, job_id: str) -> JobView:
        """Return one job, archived ones too. Raises Absent."""
        return _job_view(self._ask(f"job {job_id}", lambda: self._client.job.get(job_id, job_query_mode=ALL)))

    def create_job(self, body: Json) -> JobView:
        """Create a job; an answer that was lost is looked up by name before anything is sent again."""
        from leptonai.api.v2.types.job import LeptonJob

        model = _typed(LeptonJob, body)
        name, mark = str(body["metadata"]["name"]), _mark(body["spec"]["envs"])

        def look_up() -> JobView | None:
            return next((job for job in self.jobs(name, ALL) if (job.name, _mark_of(job)) == (name, mark)), None)

        return self._create(f"job {name}", lambda: _job_view(self._client.job.create(model)), look_up)

    def job_events(self, job_id: str) -> tuple[str, ...]:
        """Return what went wrong with a job, in the service's words."""
        events = self._ask(f"events of job {job_id}", lambda: self._client.job.get_events(job_id))
        return tuple(event.reason for event in events if event.type_ != "Normal")

    def stop_job(self, job_id: str) -> None:
        """Ask a job to end. Raises Absent."""
        # A dictionary: the SDK cannot send its own type here.
        stopped: Any = {"spec": {"stopped": True}}
        self._ask(f"stopping job {job_id}", lambda: self._client.job.update(job_id, stopped))

    def delete_job(self, job_id: str) -> None:
        """Delete a job, whatever runs of it. Raises Absent."""
        self._ask(f"deleting job {job_id}", lambda: self._client.job.delete(job_id, job_query_mode=ALL))

    # --- endpoints --------------------------------------------------------------------------------------------------

    def endpoints(self) -> list[EndpointView]:
        """Return all endpoints of the workspace."""
        return list(map(_endpoint_view, self._ask("endpoints", self._deployments().list_all)))

    def endpoint(self, name: str) -> EndpointView:
        """Return one endpoint. Raises Absent."""
        deployments = self._deployments()
        return _endpoint_view(self._ask(f"endpoint {name}", lambda: deployments.get(name)))

    def create_endpoint(self, body: Json) -> EndpointView:
        """Create an endpoint; an answer that was lost is looked up by name before anything is sent again.

        Raises:
            Conflict: something of that name is there, without our mark or about to be gone.
        """
        from leptonai.api.v2.types.deployment import LeptonDeployment

        model = _typed(LeptonDeployment, body)
        name, mark = str(body["metadata"]["name"]), _mark(body["spec"]["envs"])
        deployments = self._deployments()

        def look_up() -> EndpointView | None:
            with contextlib.suppress(Absent):
                there = self.endpoint(name)
                if _mark_of(there) == mark:
                    return there
            return None

        create = deployments.create_with_response
        return self._create(f"endpoint {name}", lambda: _endpoint_view(create(model)), look_up)

    def delete_endpoint(self, name: str) -> None:
        """Ask for an endpoint's removal. Raises Absent."""
        deployments = self._deployments()
        self._ask(f"deleting endpoint {name}", lambda: deployments.delete(name))

    def trouble(self, name: str) -> Trouble:
        """Return why an endpoint is not ready; the newer API says it by events alone."""
        deployments = self._deployments()
        reasons: list[tuple[str, str]] = []
        codes: list[tuple[int, int]] = []
        if not self._client.new_deployment_api_enabled:
            issues = self._ask(f"readiness of {name}", lambda: deployments.get_readiness(name)).root
            ends = self._ask(f"terminations of {name}", lambda: deployments.get_termination(name)).root
            reasons = [(issue.reason.value, issue.message) for found in issues.values() for issue in found]
            codes = [(end.finished_at, end.exit_code) for found in ends.values() for end in found]
        events = self._ask(f"events of {name}", lambda: deployments.get_events(name))
        return Trouble(
            reasons=tuple(found for found in reasons if found[0] != "Ready"),
            exit_codes=tuple(code for _, code in sorted(codes)),
            events=tuple((event.reason, event.count) for event in events if event.type_ != "Normal"),
        )

    # --- logs and secrets -------------------------------------------------------------------------------------------

    def log(
        self, *, job: str = "", endpoint: str = "", start_ns: int, limit: int, newest: bool = False, with_text: str = ""
    ) -> list[LogLine]:
        """Return lines of a log from a moment on, oldest first; with `newest`, the last ones. Raises Absent."""
        what = {"name_or_job": job} if job else {"name_or_deployment": endpoint}
        if endpoint:
            self._deployments()
        answer = self._ask(
            f"the log of {job or endpoint}",
            lambda: self._client.log.get_log(
                **what,
                start=max(1, start_ns),
                end=time.time_ns() + 60 * 10**9,
                limit=limit,
                q=with_text,
                direction="backward" if newest else "forward",
                timeout=self._timeout(),
            ),
        )
        try:
            streams = answer["data"]["result"] or []
            lines = [LogLine(at_ns=int(at), text=text) for stream in streams for at, text in stream["values"]]
        except (KeyError, TypeError, ValueError) as error:
            raise Transient(f"the log of {job or endpoint}: the service answered with no log") from error
        if newest:
            lines.reverse()  # a stable sort keeps lines of one moment in their order
        return sorted(lines, key=lambda line: line.at_ns)

    def secrets(self) -> dict[str, tuple[str, ...]]:
        """Return the tags of the workspace's secrets, by name; values never come back."""
        return {item.name: tuple(item.tags or ()) for item in self._ask("secrets", self._client.secret.list_all)}

    def create_secrets(self, values: Mapping[str, str], tags: Sequence[str]) -> None:
        """Create secrets, in place of those of the same names."""
        from leptonai.api.v2.types.secret import SecretItem

        for name in self.secrets().keys() & values.keys():
            self.delete_secret(name)
        items = [SecretItem(name=name, value=value, tags=list(tags)) for name, value in values.items()]
        self._ask("creating secrets", lambda: self._client.secret.create(items))

    def delete_secret(self, name: str) -> None:
        """Delete a secret; one that is absent is gone."""
        with contextlib.suppress(Absent):
            self._ask(f"deleting secret {name}", lambda: self._client.secret.delete(name))

    # --- how requests are made --------------------------------------------------------------------------------------

    def pause(self, wanted_s: float) -> None:
        """Wait, but not past the deadline."""
        time.sleep(min(wanted_s, self._ctx.remaining_s))

    def _timeout(self) -> float:
        return max(1.0, min(LONGEST_REQUEST_S, self._ctx.remaining_s))

    def _deployments(self) -> Any:
        """Return the API of endpoints. Which of the two it is, the SDK decides once: a wrong guess would stay."""
        if self._client._new_deployment_api_enabled is None:  # noqa: SLF001 - there is no other way to know
            self._ask("the workspace", lambda: self._client.info(timeout=self._timeout()))
        with _quiet():
            return self._client.deployment

    def _create(self, what: str, create: Callable[[], T], look_up: Callable[[], T | None]) -> T:
        for number in range(MOST_TRIES):
            try:
                return self._ask(f"creating {what}", create, tries=1)
            except (Transient, Conflict) as error:
                found = look_up()
                if found is not None:
                    return found
                if number == MOST_TRIES - 1 or self._ctx.remaining_s <= 0:
                    raise
                self._rest(number, error.__cause__)
        raise AssertionError("unreachable")

    def _ask(self, what: str, request: Callable[[], T], tries: int = MOST_TRIES) -> T:
        for number in range(tries):
            self._client._timeout = (CONNECT_S, self._timeout())  # noqa: SLF001 - its only setting
            self.requests += 1
            try:
                with _quiet():
                    return request()
            except Exception as error:
                told = _told(what, error)
                if not isinstance(told, Transient):
                    raise told from error
                if number == tries - 1 or self._ctx.remaining_s <= 0 or _wait_s(error) > self._ctx.remaining_s:
                    raise told from error
                self._rest(number, error)
        raise AssertionError("unreachable")

    def _rest(self, number: int, error: BaseException | None) -> None:
        wanted = FIRST_PAUSE_S * 2**number * random.uniform(0.8, 1.2)
        self.pause(max(wanted, _wait_s(error)))


def _client(ctx: Context) -> Any:
    # `gc` without any record looks at what is current.
    address = ctx.connection.address or current_workspace()
    workspace, url = address.get("workspace", ""), address.get("url", "")
    with _quiet():
        from leptonai.api.v2 import APIClient
        from leptonai.api.v2.workspace_record import WorkspaceRecord

        token = None
        try:
            # Looked up the way of all secrets, which takes it out of everything that is printed.
            token = ctx.secret(TOKEN_VARIABLE)
        except SecretError:
            if workspace and WorkspaceRecord.has(workspace):
                token = WorkspaceRecord.get(workspace).auth_token
        if not workspace or not token:
            missing = "no workspace is named" if not workspace else f"there is no token for workspace {workspace}"
            raise BackendError(missing, hint=LOGIN)
        key = (workspace, url, token)
        if key not in _clients:
            _clients[key] = APIClient(workspace, token, url or None)
            # requests would let a line of ~/.netrc take the token's place.
            _clients[key]._session.auth = lambda request: request  # noqa: SLF001 - its only way in
    return _clients[key]


_clients: dict[tuple[str, str, str], Any] = {}
"""One for each workspace and token: each has its own connections, and asks which API the workspace has."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the SDK's deprecations and its remarks on stderr to itself."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _told(what: str, error: Exception) -> Exception:
    """Return what an error of the SDK or of the network means here."""
    import requests

    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "status_code", None)
    if isinstance(error, requests.RequestException):
        return Transient(f"{what}: the service does not answer: {_network_words(error)}")
    if type(error).__name__.startswith("Workspace"):
        # Their texts hold a part of the token.
        status = {"WorkspaceUnauthorizedError": 401, "WorkspaceForbiddenError": 403, "WorkspaceNotFoundError": 404}.get(
            type(error).__name__
        )
        if status == 404:
            return BackendError("there is no such workspace", hint=LOGIN)
    if isinstance(error, ValueError):
        return InvalidJob(f"{what}: {error}")
    if status is None:
        return Transient(f"{what}: the service's answer cannot be read")
    said = _said(response)
    text = f"{what}: the service says {status}{': ' + said if said else ''}"
    if status == 401:
        return BackendError(text, hint=f"the token is wrong or has expired: {LOGIN}")
    if status == 404:
        return Absent(text)
    if status == 409:
        return Conflict(text)
    if status == 429 or status >= 500:
        return Transient(text)
    return InvalidJob(text)


def _said(response: Any) -> str:
    """Return the message of an error's body: the service's is JSON, a gateway's a page for browsers."""
    try:
        body = json.loads(response.text)
        return " ".join(str(body["message"]).split())[:500]
    except (AttributeError, ValueError, KeyError, TypeError):
        return ""


def _network_words(error: Exception) -> str:
    return type(error).__name__ if not error.args else f"{type(error).__name__}: {str(error)[:200]}"


def _wait_s(error: BaseException | None) -> float:
    """Return how long the service asks us to wait."""
    response = getattr(error, "response", None)
    given = getattr(error, "retry_after", None)
    if given is None:
        given = getattr(response, "headers", {}).get("Retry-After")
    try:
        return max(0.0, float(given or 0))
    except (TypeError, ValueError):
        return 0.0


def _typed(model: Any, body: Json) -> Any:
    """Return a body as the SDK's type. Raises InvalidJob for a field that the type would swallow."""
    with _quiet():
        try:
            made = model(**body)
        except ValueError as error:
            raise InvalidJob(f"the service's types refuse this: {error}") from error
        kept = made.model_dump(exclude_unset=True, by_alias=True, mode="json")
    lost = _lost(body, kept, "")
    if lost:
        raise InvalidJob(f"the service has no field {', '.join(lost)}")
    return made


def _lost(given: Any, kept: Any, path: str) -> list[str]:
    if isinstance(given, dict) and isinstance(kept, dict):
        lost: list[str] = []
        for name, value in given.items():
            below = f"{path}.{name}" if path else name
            lost += _lost(value, kept[name], below) if name in kept else [below]
        return lost
    if isinstance(given, list) and isinstance(kept, list):
        return [found for one, other in zip(given, kept, strict=False) for found in _lost(one, other, path)]
    return []


def _mark(envs: Sequence[Json]) -> str:
    return next((str(env.get("value", "")) for env in envs if env["name"] == "EVALYARD_LAUNCH"), "")


def _mark_of(view: JobView | EndpointView) -> str:
    return view.envs.get("EVALYARD_LAUNCH", "")


def _job_view(job: Any) -> JobView:
    status = job.status
    return JobView(
        id=str(job.metadata.id_ or ""),
        name=str(job.metadata.name or ""),
        state=status.state.value if status and status.state else "",
        envs=_plain_envs(job.spec.envs),
        created_at_ms=job.metadata.created_at or 0,
        completed_at=(status.completion_time if status else 0) or 0,
    )


def _endpoint_view(deployment: Any) -> EndpointView:
    status = deployment.status
    state = (status.phase or status.state) if status else None
    return EndpointView(
        name=str(deployment.metadata.name or deployment.metadata.id_),
        state=state.value if state else "",
        url=(status.endpoint.external_endpoint if status and status.endpoint else "").rstrip("/"),
        envs=_plain_envs(deployment.spec.envs if deployment.spec else None),
        created_at_ms=deployment.metadata.created_at or 0,
    )


def _plain_envs(envs: Any) -> dict[str, str]:
    return {env.name: env.value for env in envs or () if env.value is not None}


def refused_job(body: Json) -> str:
    """Return why the SDK would not send a job; empty = it would."""
    with _quiet():
        from leptonai.api.v2.job_validation import validate_job_create
        from leptonai.api.v2.types.job import LeptonJob
    try:
        validate_job_create(_typed(LeptonJob, body))
    except (InvalidJob, ValueError) as error:
        return str(error)
    return ""


def refused_endpoint(body: Json) -> str:
    """Return why the SDK would not send an endpoint; empty = it would."""
    with _quiet():
        from leptonai.api.v2.types.deployment import LeptonDeployment
    try:
        _typed(LeptonDeployment, body)
    except InvalidJob as error:
        return error.message
    return ""
