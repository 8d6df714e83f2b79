"""A stand-in for the API of DGX Cloud Lepton, on loopback: the SDK's own types say what it takes and answers.

What it does that the SDK cannot prove of the real service is marked GUESS.
"""

from __future__ import annotations

import re
import sys
import threading
import urllib.parse
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.plugins.lepton.service.handler import Handler, Stream
from tests.plugins.lepton.service.replicas import ContainedReplica, Json, Replica, Wanted, containers
from tests.plugins.lepton.service.sdk import (
    LeptonDeployment,
    LeptonJob,
    SecretItem,
    translation,
    validate_job_create,
)
from tests.plugins.lepton.service.wire import TOKEN, WORKSPACE, Fault, Refused, Request, checked, unknown
from tests.plugins.lepton.service.workloads import Endpoint, Job, Scenario, until


class Server(ThreadingHTTPServer):
    """Says nothing of clients that went away."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of errors of our own alone."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@define(kw_only=True)
class Service:
    """One workspace.

    Attributes:
        newer: whether it has the newer API of endpoints, and not the older one.
        pages: whether it knows pages of lists.
        contained: whether jobs and endpoints run in containers of their images, rather than as processes.
        forgets_ends: whether an archived job's state is only that.
        quota: how many endpoints there may be.
        refused: names of jobs that are refused.
    """

    root: Path
    newer: bool = False
    pages: bool = True
    contained: bool = False
    forgets_ends: bool = False
    quota: int = 100
    refused: set[str] = field(factory=set)
    node_groups: Mapping[str, str] = field(factory=lambda: {"group": "group-id-1", "other": "other-id-2"})
    jobs: dict[str, Job] = field(factory=dict)
    endpoints: dict[str, Endpoint] = field(factory=dict)
    secrets: dict[str, Json] = field(factory=dict)
    scenarios: list[Scenario] = field(factory=list)
    faults: list[Fault] = field(factory=list)
    requests: list[Request] = field(factory=list)
    lock: threading.RLock = field(factory=threading.RLock)
    closed: threading.Event = field(factory=threading.Event)
    base: str = ""
    _server: ThreadingHTTPServer | None = None
    _replicas: int = 0

    def start(self) -> Service:
        service = self

        class Bound(Handler):
            pass

        Bound.service = service
        self._server = Server(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def close(self) -> None:
        """End whatever runs here."""
        self.closed.set()
        with self.lock:
            for job in self.jobs.values():
                job.stop.set()
            for endpoint in self.endpoints.values():
                endpoint.deleting.set()
        for job in self.jobs.values():
            until(lambda: job.completed, 30)  # noqa: B023
        for endpoint in self.endpoints.values():
            endpoint.gone.wait(30)
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @property
    def prefix(self) -> str:
        return f"/api/v2/workspaces/{WORKSPACE}"

    @property
    def variables(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {
            "LEPTON_WORKSPACE_ID": WORKSPACE,
            "LEPTON_WORKSPACE_TOKEN": TOKEN,
            "LEPTON_WORKSPACE_URL": self.base + self.prefix,
            "LEPTON_CACHE_DIR": str(self.root / "lepton-cache"),
            "NO_PROXY": "127.0.0.1",
        }

    # --- what tests look at -----------------------------------------------------------------------------------------

    def processes(self) -> list[int]:
        """Return the process ids of all containers that live."""
        replicas = [replica for thing in self._things() for replica in thing.replicas]
        return [replica.pid for replica in replicas if replica.code is None]

    def containers(self) -> list[str]:
        """Return the containers that are on the engine, ended ones too."""
        return containers() if self.contained else []

    def live_endpoints(self) -> list[str]:
        """Return the endpoints that cost money."""
        return [name for name, endpoint in self.endpoints.items() if not endpoint.gone.is_set()]

    def live_jobs(self) -> list[str]:
        """Return the jobs that have not ended."""
        return [job.name for job in self.jobs.values() if not job.completed]

    def scenario(self, name: str, **fields: Any) -> Scenario:
        """Say what shall become of what has this text in its name."""
        made = Scenario(name=name, **fields)
        self.scenarios.append(made)
        return made

    def asked(self, method: str, path: str) -> list[Request]:
        """Return the requests of a kind."""
        return [one for one in self.requests if one.method == method and re.fullmatch(path, one.path)]

    def fault(self, method: str, path: str) -> Fault | None:
        """Take a fault for a request."""
        with self.lock:
            found = next((fault for fault in self.faults if fault.fits(method, path)), None)
            if found is not None and found.after:
                found.after -= 1
                return None
            if found is not None:
                found.times -= 1
                found.hits += 1
            return found

    def _scenario_of(self, name: str) -> Scenario:
        return next((one for one in self.scenarios if one.name in name), Scenario(name=name))

    # --- workloads --------------------------------------------------------------------------------------------------

    def replica(self, name: str, spec: Json, port: int = 0) -> Replica:
        """Start the container of a job or an endpoint."""
        variables = {}
        for env in spec.get("envs") or []:
            secret = (env.get("value_from") or {}).get("secret_name_ref")
            variables[env["name"]] = self.secrets[secret]["value"] if secret else env.get("value", "")
        mounts = {}
        for mount in spec.get("mounts") or []:
            source = self.root / "storage" / mount["from"].replace(":", "_") / (mount.get("path") or "/").strip("/")
            source.mkdir(parents=True, exist_ok=True)
            mounts[mount["mount_path"]] = source
        self._replicas += 1
        name = f"{name}-{self._replicas}"
        container = spec["container"]
        wanted = Wanted(
            image=container["image"],
            command=tuple(container["command"]),
            variables=variables,
            mounts=mounts,
            port=port,
        )
        return (ContainedReplica if self.contained else Replica)(self.root / "replicas", name, wanted)

    def folder_of(self, name: str) -> Path:
        """Return what stands for the file system of a job's or an endpoint's latest container."""
        return [thing for thing in self._things() if thing.name == name][-1].replicas[-1].folder

    def _things(self) -> list[Job | Endpoint]:
        return [*self.jobs.values(), *self.endpoints.values()]

    # --- routes -----------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> tuple[int, Any]:
        """Do what is asked. Raises Refused."""
        kind, *rest = request.path.strip("/").split("/")
        endpoints = "endpoints" if self.newer else "deployments"
        with self.lock:
            if kind == "workspace":
                return 200, self._info()
            if kind == "jobs":
                return self._jobs(request, rest)
            if kind == endpoints:
                return self._endpoints(request, rest)
            if kind in ("endpoints", "deployments") and request.method == "POST":
                raise Refused(400, "InvalidRequest", f"this workspace uses /{endpoints}")
            if kind == "usersecrets":
                return self._secrets(request, rest)
            if kind == "logs":
                return 200, self._logs(request)
            if kind == "shapes":
                names = ("cpu.small", "gpu.1xh200")
                return 200, [{"metadata": {"id": name, "name": name}, "spec": {"name": name}} for name in names]
            if kind == "dedicated-node-groups" and not rest:
                groups = self.node_groups.items()
                return 200, [{"metadata": {"id": i, "name": n}, "spec": {}, "status": {}} for n, i in groups]
        raise Refused(404, "ResourceNotFound", f"no route {request.method} {request.path}")

    def _info(self) -> Json:
        total: Json = {"cpu": 0, "memory": 0, "accelerator_num": 0}
        return {
            "build_time": "",
            "git_commit": "",
            "workspace_name": WORKSPACE,
            "workspace_tier": "",
            "workspace_state": "normal",
            "supported_shapes": {},
            "workspace_disk_usage_bytes": 0,
            "workloads": dict.fromkeys(
                ("num_deployments", "num_jobs", "num_pods", "num_secrets", "num_image_pull_secrets"), 0
            ),
            "resource_quota": {"limit": total, "used": total},
            "features": {"enable_new_deployment_api": self.newer, "enable_secure_endpoint_defaults": True},
        }

    def _jobs(self, request: Request, rest: list[str]) -> tuple[int, Any]:
        if not rest and request.method == "POST":
            body = checked(LeptonJob, request.body)
            validate_job_create(LeptonJob(**request.body))
            self._check_places(body["spec"].get("affinity"), body["spec"].get("envs"))
            name = body["metadata"]["name"]
            if name in self.refused:
                raise Refused(400, "InvalidRequest", "this workspace does not take it")
            # GUESS: the suffix; that an id is not the name is documented.
            job = Job(service=self, body=body, id=f"{name}-x{len(self.jobs)}", scenario=self._scenario_of(name))
            self.jobs[job.id] = job.start()
            return 201, job.view()
        mode = request.query.get("job_query_mode", ["alive_only"])[0]
        if not rest:
            there = [job for job in self.jobs.values() if not job.deleted]
            shown = [job for job in there if mode != "alive_only" or not job.archived]
            wanted = request.query.get("q", [""])[0]
            views = [job.view() for job in shown if wanted in job.name]
            page, size = (int(request.query.get(name, ["1"])[0]) for name in ("page", "page_size"))
            if self.pages:
                views = views[(page - 1) * size : page * size]
            return 200, {"jobs": views}
        if rest[0] not in self.jobs:
            raise Refused(404, "ResourceNotFound", f"job {rest[0]} not found")
        job = self.jobs[rest[0]]
        if job.deleted or (mode == "alive_only" and job.archived):
            raise Refused(404, "ResourceNotFound", f"job {rest[0]} not found")
        if rest[1:] == ["events"]:
            moment = "2026-01-01T00:00:00Z"
            return 200, [{"type": "Warning", "reason": "BackOff", "count": 1, "last_observed_time": moment}]
        if rest[1:] == ["replicas"]:
            return 200, [{"id": replica.name, "metadata": {"id": replica.name}} for replica in job.replicas]
        if rest[1:2] == ["replicas"] and rest[3:] == ["log"]:
            return 200, Stream(content=job.text().encode(), silent=job.scenario.silent)
        if request.method == "PATCH":
            if request.body["spec"].get("stopped"):
                job.stop.set()
        elif request.method == "DELETE":
            job.stop.set()
            job.deleted = not job.scenario.survives
        return 200, job.view()

    def _endpoints(self, request: Request, rest: list[str]) -> tuple[int, Any]:
        if not rest and request.method == "POST":
            return 201, self._create_endpoint(request.body)
        there = {name: one for name, one in self.endpoints.items() if not one.gone.is_set()}
        if not rest:
            return 200, [self._wire(one) for one in there.values()]
        one = there.get(rest[0])
        if one is None:
            raise Refused(404, "ResourceNotFound", f"endpoint {rest[0]} not found")
        if request.method == "DELETE":
            if not one.scenario.survives:
                one.deleting.set()
            return 200, {}
        match rest[1:]:
            case []:
                return 200, self._wire(one)
            case ["readiness"] if not self.newer:
                return 200, one.readiness()
            case ["termination"] if not self.newer:
                return 200, one.termination()
            case ["events"]:
                return 200, one.events()
        raise Refused(404, "ResourceNotFound", f"no route {request.path}")

    def _create_endpoint(self, given: Json) -> Json:
        if self.newer:
            legacy = translation.http_endpoint_to_legacy(given)
            legacy.pop("status", None)
            body = checked(LeptonDeployment, legacy)
            lost = unknown(given["spec"], translation.legacy_to_http_endpoint(body)["spec"])
            if lost:
                raise Refused(400, "InvalidRequest", f"unknown fields: {lost}")
        else:
            body = checked(LeptonDeployment, given)
        name = body["metadata"]["name"]
        there = self.endpoints.get(name)
        if there is not None and not there.gone.is_set():
            text = "endpoint is still deleting" if there.deleting.is_set() else "endpoint already exists"
            raise Refused(409, "Conflict", text)
        if len(self.live_endpoints()) >= self.quota:
            raise Refused(403, "StatusForbidden", "exceeded quota: gpu.1xh200")  # GUESS: code and text
        requirement = body["spec"].get("resource_requirement", {})
        self._check_places(requirement.get("affinity"), body["spec"].get("envs"))
        self.endpoints[name] = Endpoint(service=self, body=body, scenario=self._scenario_of(name)).start()
        return self._wire(self.endpoints[name])

    def _wire(self, one: Endpoint) -> Json:
        view = one.view()
        if not self.newer:
            return view
        wire: Json = translation.legacy_to_http_endpoint({"metadata": view["metadata"], "spec": view["spec"]})
        wire["metadata"]["created_at"] = view["metadata"]["created_at"]
        url = view["status"]["endpoint"]["external_endpoint"]
        wire["status"] = {"state": view["status"]["phase"].replace(" ", ""), "external_url": url}
        return wire

    def _check_places(self, affinity: Json | None, envs: list[Json] | None) -> None:
        for group in (affinity or {}).get("allowed_dedicated_node_groups") or []:
            if group not in self.node_groups.values():
                raise Refused(400, "InvalidRequest", f"node group {group} not found")
        for env in envs or []:
            secret = (env.get("value_from") or {}).get("secret_name_ref")
            if secret and secret not in self.secrets:
                raise Refused(400, "InvalidRequest", f"secret {secret} not found")

    def _secrets(self, request: Request, rest: list[str]) -> tuple[int, Any]:
        if request.method == "POST":
            for item in request.body:
                body = checked(SecretItem, item)
                if body["name"] in self.secrets:
                    raise Refused(409, "Conflict", f"secret {body['name']} exists")  # GUESS
                self.secrets[body["name"]] = body
            return 201, {}
        if request.method == "DELETE":
            if self.secrets.pop(urllib.parse.unquote(rest[0]), None) is None:
                raise Refused(404, "ResourceNotFound", "no such secret")
            return 200, {}
        return 200, [{key: value for key, value in item.items() if key != "value"} for item in self.secrets.values()]

    def _logs(self, request: Request) -> Json:
        def one(name: str, default: str = "") -> str:
            return request.query.get(name, [default])[0]

        thing: Job | Endpoint | None
        thing = self.jobs.get(one("job")) if one("job") else self.endpoints.get(one("endpoint") or one("deployment"))
        if thing is None or (isinstance(thing, Job) and thing.deleted):
            raise Refused(404, "ResourceNotFound", "no such log")
        entries = [
            [str(at), text]
            for replica in thing.replicas
            for at, text in list(replica.lines)
            if int(one("start")) <= at < int(one("end"))
            and one("q") in text
            and not thing.scenario.silent
            and not (thing.scenario.kept_log and thing.scenario.kept_log in text)
        ]
        if one("direction", "backward") == "backward":
            entries.reverse()
        values = entries[: int(one("limit", "5000"))]
        return {"status": "success", "data": {"resultType": "streams", "result": [{"stream": {}, "values": values}]}}
