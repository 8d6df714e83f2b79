"""Jobs and endpoints of the stand-in: what happens to them, in threads of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tests.plugins.lepton.service.replicas import Json, Replica, listens

if TYPE_CHECKING:
    from tests.plugins.lepton.service.server import Service

TICK_S = 0.02


@define(kw_only=True)
class Scenario:
    """What shall become of a job or an endpoint whose name contains a text."""

    name: str
    queued: bool = False
    """Whether a job waits, or an endpoint starts, until this is set to False."""
    state: str = ""
    """The word that the service says instead of the true one."""
    exit_code: int | None = None
    """The exit code that the service says instead of the true one."""
    silent: bool = False
    """Whether its log cannot be read."""
    readiness: tuple[str, str] | None = None
    """Reason and message for which an endpoint is not ready."""
    address_after: int = 0
    """After how many looks at it an endpoint has an address."""
    looks: int = 0
    survives: bool = False
    """Whether the service says yes to its deletion and does nothing."""
    kept_log: str = ""
    """Lines of the log that have this text are left out by the service."""


@define(kw_only=True)
class Job:
    """A job, from its creation to long after its end."""

    service: Service
    body: Json
    id: str
    scenario: Scenario
    created: float = field(factory=time.time)
    completed: float = 0.0
    state: str = "Queueing"
    archived: bool = False
    deleted: bool = False
    stop: threading.Event = field(factory=threading.Event)
    replicas: list[Replica] = field(factory=list)

    def start(self) -> Job:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    def text(self) -> str:
        """Return all that it has printed."""
        return "\n".join(text for replica in self.replicas for _, text in list(replica.lines))

    def _run(self) -> None:
        while self.scenario.queued and not self.stop.is_set():
            time.sleep(TICK_S)
        if not self.stop.is_set():
            self.state = "Starting"
            replica = self.service.replica(f"{self.id}-0", self.body["spec"])
            self.replicas.append(replica)
            self.state = "Running"
            while replica.code is None and not self.stop.is_set():
                time.sleep(TICK_S)
            stopped = self.stop.is_set() and replica.code is None
            if stopped:
                self.state = "Stopping"
            replica.end()
            code = replica.code if self.scenario.exit_code is None else self.scenario.exit_code
            self.state = "Stopped" if stopped else "Completed" if code == 0 else "Failed"
        else:
            self.state = "Stopped"
        self.completed = time.time()

    def view(self) -> Json:
        state = self.scenario.state or ("Archived" if self.archived and self.service.forgets_ends else self.state)
        status: Json = {"job_name": self.id, "state": state, "creation_time": int(self.created)}
        if self.completed:
            status["completion_time"] = int(self.completed)
        metadata = {**self.body["metadata"], "id": self.id, "created_at": int(self.created * 1000)}
        return {"metadata": metadata, "spec": self.body["spec"], "status": {**status, "job_history": []}}


@define(kw_only=True)
class Endpoint:
    """An endpoint, with one replica that is started again whenever it ends."""

    service: Service
    body: Json
    scenario: Scenario
    created: float = field(factory=time.time)
    deleting: threading.Event = field(factory=threading.Event)
    gone: threading.Event = field(factory=threading.Event)
    replicas: list[Replica] = field(factory=list)
    asleep: bool = False
    """Whether it has been scaled to zero."""

    def start(self) -> Endpoint:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def port(self) -> int:
        return int(self.body["spec"]["container"]["ports"][0]["container_port"])

    def _run(self) -> None:
        while not self.deleting.is_set():
            idle = self.scenario.queued or self.asleep
            if not idle and (not self.replicas or self.replicas[-1].code is not None):
                name = f"{self.name}-{len(self.replicas)}"
                self.replicas.append(self.service.replica(name, self.body["spec"], self.port))
            elif self.asleep and self.replicas:
                self.replicas[-1].end()
            time.sleep(TICK_S * 5)
        if self.replicas:
            self.replicas[-1].end()
        self.gone.set()

    def state(self) -> str:
        if self.deleting.is_set():
            return "Deleting"
        if self.scenario.state:
            return self.scenario.state
        if self.asleep:
            return "Stopped"
        if self.replicas and self.replicas[-1].code is None and listens(self.replicas[-1].port):
            return "Ready"
        return "Not Ready" if len(self.replicas) > 1 else "Starting"

    def readiness(self) -> Json:
        if self.scenario.readiness:
            reason, message = self.scenario.readiness
        else:
            reason, message = ("Ready" if self.state() == "Ready" else "InProgress"), ""
        issue = {"reason": reason, "message": message, "creationTimestamp": "2026-01-01T00:00:00Z"}
        return {f"{self.name}-0": [issue]}

    def ended(self) -> list[Replica]:
        return [replica for replica in self.replicas if replica.code is not None]

    def termination(self) -> Json:
        return {
            replica.name: [
                {
                    "started_at": int(replica.started),
                    "finished_at": int(replica.finished),
                    "exit_code": replica.code,
                    "reason": "Error",
                    "message": "",
                }
            ]
            for replica in self.ended()
        }

    def events(self) -> list[Json]:
        count = len(self.ended())
        kind, reason = ("Warning", "BackOff") if count else ("Normal", "Started")
        moment = "2026-01-01T00:00:00Z"
        return [{"type": kind, "reason": reason, "count": max(1, count), "last_observed_time": moment}]

    def view(self) -> Json:
        self.scenario.looks += 1
        phase = self.state()
        known = self.scenario.looks > self.scenario.address_after
        url = f"{self.service.base}/_ep/{self.name}" if known else ""
        state = "Not Ready" if phase in ("Stopped", "Stopping") else phase
        return {
            "metadata": {**self.body["metadata"], "id": self.name, "created_at": int(self.created * 1000)},
            "spec": self.body["spec"],
            "status": {
                "state": state,
                "phase": phase,
                "endpoint": {"internal_endpoint": "", "external_endpoint": url},
            },
        }


def until(condition: Callable[[], Any], seconds: float) -> bool:
    """Wait for a condition; return whether it came true."""
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(TICK_S)
    return True
