"""The requests of which everything here is made; their answers are records of our own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from evalyard import InvalidJob, Transient
from evalyard_lepton.gateway.answers import (
    EndpointView,
    JobView,
    LogLine,
    Trouble,
    endpoint_view,
    job_view,
    mark_in,
    mark_of,
)
from evalyard_lepton.gateway.asking import Asking
from evalyard_lepton.gateway.bodies import typed
from evalyard_lepton.gateway.errors import Absent
from evalyard_lepton.payloads import Json

ALIVE, ALL = "alive_only", "alive_and_archive"
PAGE = 500


class Gateway(Asking):
    """One workspace.

    Raises (all methods):
        Transient: no answer, or "later", for as long as could be waited.
        BackendError: the workspace cannot be used; the hint says what to do.
        InvalidJob: it refused this one request, in its own words.
    """

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
            found.update({view.id: view for view in map(job_view, jobs) if part in view.name})
            # A service that does not know pages gives the same one for ever.
            if len(jobs) < PAGE or len(found) == before:
                return list(found.values())
            page += 1

    def job(self, job_id: str) -> JobView:
        """Return one job, archived ones too. Raises Absent."""
        return job_view(self._ask(f"job {job_id}", lambda: self._client.job.get(job_id, job_query_mode=ALL)))

    def create_job(self, body: Json) -> JobView:
        """Create a job; an answer that was lost is looked up by name before anything is sent again."""
        from leptonai.api.v2.types.job import LeptonJob

        model = typed(LeptonJob, body)
        name, mark = str(body["metadata"]["name"]), mark_in(body["spec"]["envs"])

        def look_up() -> JobView | None:
            return next((job for job in self.jobs(name, ALL) if (job.name, mark_of(job)) == (name, mark)), None)

        return self._create(f"job {name}", lambda: job_view(self._client.job.create(model)), look_up)

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
        return list(map(endpoint_view, self._ask("endpoints", self._deployments().list_all)))

    def endpoint(self, name: str) -> EndpointView:
        """Return one endpoint. Raises Absent."""
        deployments = self._deployments()
        return endpoint_view(self._ask(f"endpoint {name}", lambda: deployments.get(name)))

    def create_endpoint(self, body: Json) -> EndpointView:
        """Create an endpoint; an answer that was lost is looked up by name before anything is sent again.

        Raises:
            Conflict: something of that name is there, without our mark or about to be gone.
        """
        from leptonai.api.v2.types.deployment import LeptonDeployment

        model = typed(LeptonDeployment, body)
        name, mark = str(body["metadata"]["name"]), mark_in(body["spec"]["envs"])
        deployments = self._deployments()

        def look_up() -> EndpointView | None:
            with contextlib.suppress(Absent):
                there = self.endpoint(name)
                if mark_of(there) == mark:
                    return there
            return None

        create = deployments.create_with_response
        return self._create(f"endpoint {name}", lambda: endpoint_view(create(model)), look_up)

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
