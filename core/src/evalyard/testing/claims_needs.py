"""Claims about model servers: ready or never, shared, dying, and gone after the last job that needs them."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping

import pytest
from attrs import frozen

from evalyard.errors import ConfigError
from evalyard.records.handles import Handle
from evalyard.records.plans import NeedKind
from evalyard.states import JobState
from evalyard.testing.claims import Claims
from evalyard.testing.claims_logs import read_to_end
from evalyard.testing.rig import LEAVE_RESULTS, Rig, deployed, task
from evalyard.testing.trial import Trial

_SERVE = """\
echo started >> "$EVALYARD_OUTPUT_DIR/starts"
echo said-by-the-server
exec "${EVALYARD_PYTHON:-python3}" -m http.server "$PORT" --bind "$HOST\""""
_STUBBORN = """\
exec "${EVALYARD_PYTHON:-python3}" -c '
import http.server, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
place = os.environ["HOST"], int(os.environ["PORT"])
http.server.HTTPServer(place, http.server.SimpleHTTPRequestHandler).serve_forever()
'"""
_DIES = """\
"${EVALYARD_PYTHON:-python3}" -m http.server "$PORT" --bind "$HOST" & server=$!
sleep 1; kill -9 "$server"; exit 9"""


@frozen(kw_only=True)
class Shared:
    """What came of two jobs with one model server."""

    ends: list[tuple[JobState, str]]
    url: str
    urls: list[list[str]]
    """What each harness was told to ask."""
    starts: list[str]
    answers: bool
    """Whether the server answered after the last job."""
    held: list[str]
    logs: Mapping[str, list[str]]
    """Role -> the first job's log."""


class NeedClaims(Claims):
    """Model servers. The capability is `deployments`: `serves = True` says that it is offered."""

    def server_answers(self, url: str) -> bool:
        """Whether a model server answers at its base URL: replace it where this machine cannot reach the server."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{url}/", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def test_a_model_server_is_part_of_the_plan_or_refused_by_name(self, rig: Rig) -> None:
        """Where no model server is started, `plan` raises ConfigError and says `deployment`: left out in silence, jobs
        would wait for it in vain."""
        planned, refused = [], ""
        try:
            planned = [rig.dry(task(LEAVE_RESULTS), deployment=deployed(f"exec sleep {number}")) for number in (1, 2)]
        except ConfigError as error:
            refused = error.message
        if planned:
            assert planned[0] != planned[1], "a `deployment` is left out in silence"
        else:
            assert not self.serves, f"refused, in spite of `serves`: {refused}"
            assert "deployment" in refused, f"what is refused is not named: {refused}"

    def test_a_server_for_two_jobs_is_made_once_and_gone_after_the_last(self, rig: Rig) -> None:
        """Declare it as a need: core makes each key once, and releases it after the last job."""
        self.offered("deployments", there=self.serves)
        shared = self.once("shared server", lambda: self._share(rig))
        assert shared.ends == [(JobState.SUCCEEDED, "")] * 2
        assert shared.urls == [[f"{shared.url}/v1/chat/completions"]] * 2
        assert shared.starts == ["started"]
        assert not shared.answers
        assert shared.held == []

    def test_a_server_that_ends_at_once_fails_the_job_and_is_named(self, rig: Rig) -> None:
        """`status` says that the need has ended: core asks the jobs to end, and says why."""
        self.offered("deployments", there=self.serves)
        trial = rig.trial(task(LEAVE_RESULTS), deployment=deployed("echo out of luck; exit 9"))
        trial.finish()
        assert trial.attempt().state is JobState.FAILED
        assert "server" in trial.attempt().reason

    def test_a_server_that_is_never_ready_fails_the_job_in_time(self, rig: Rig) -> None:
        """The job script waits for as long as `ready_timeout_s` says: give `impatient` the setting that shortens it."""
        self.offered("deployments", there=self.serves)
        assert self.impatient, "set `impatient` to settings with which a job waits a second or two for its server"
        silent = deployed(f"exec sleep {rig.patience_s:.0f}")
        trial = rig.trial(task(LEAVE_RESULTS), deployment=silent, settings=self.impatient)
        trial.finish()
        assert trial.attempt().state is JobState.FAILED
        assert "server" in trial.attempt().reason
        self._assert_released(trial)

    def test_a_server_that_dies_under_way_fails_the_job_and_is_named(self, rig: Rig) -> None:
        """A harness whose server is gone would wait, or score silence: the need's end has to be seen."""
        self.offered("deployments", there=self.serves)
        if self.restarts_servers:
            pytest.skip("not offered: an end with the server, which the backend starts again")
        outlives = f"sleep {rig.patience_s / 2:.0f}; {LEAVE_RESULTS}"
        trial = rig.trial(task(outlives), deployment=deployed(_DIES))
        trial.finish()
        assert trial.attempt().state is JobState.FAILED
        assert "server" in trial.attempt().reason
        self._assert_released(trial)

    def test_a_server_that_ignores_signals_is_gone_after_a_job_that_failed(self, rig: Rig) -> None:
        """A request to end is not the end: after the grace it is killed, and only then released."""
        self.offered("deployments", there=self.serves)
        trial = rig.trial(task("exit 3"), deployment=deployed(_STUBBORN))
        trial.finish()
        assert trial.attempt().exit_code == 3
        self._assert_released(trial)

    def test_a_server_whose_job_is_refused_is_released(self, rig: Rig) -> None:
        """The server is up, and the job cannot be launched: nobody will ever need it."""
        self.offered("deployments", there=self.serves)
        trial = rig.trial(task(LEAVE_RESULTS), deployment=deployed(_SERVE))
        trial.provision()
        server = self._server(trial)
        rig.wait_until(lambda: self.server_answers(server.outputs["base_url"]), "the server answers")
        self.spoil(trial.plans[0])
        trial.finish()
        assert trial.attempt().state is JobState.FAILED
        self._assert_released(trial)

    def test_cancelling_the_only_job_releases_its_server(self, rig: Rig) -> None:
        """`kill` ends the jobs, and what no job needs any more."""
        self.offered("deployments", there=self.serves)
        trial = rig.trial(task(rig.beat), deployment=deployed(_SERVE))
        trial.begin()
        server = self._server(trial)
        rig.wait_until(lambda: self.server_answers(server.outputs["base_url"]), "the server answers")
        trial.cancel()
        assert trial.attempt().state is JobState.CANCELLED
        assert not self.server_answers(server.outputs["base_url"])

    def test_harness_and_server_have_logs_of_their_own(self, rig: Rig) -> None:
        """Role `client` is the harness's log, `server` that of the model server that it uses."""
        self.offered("deployments", there=self.serves)
        logs = self.once("shared server", lambda: self._share(rig)).logs
        assert [role for role, log in logs.items() if "said-by-the-harness" in log] == ["client"]
        assert [role for role, log in logs.items() if "said-by-the-server" in log] == ["server"]

    def _share(self, rig: Rig) -> Shared:
        note = 'echo "$EVALYARD_ENDPOINT_URL" > "$EVALYARD_OUTPUT_DIR/url"; echo said-by-the-harness'
        trial = rig.trial(
            *(task(f"{note}; {LEAVE_RESULTS}", name=name) for name in ("one", "other")), deployment=deployed(_SERVE)
        )
        history = trial.finish()
        url, job = self._server(trial).outputs["base_url"], trial.attempt().handle
        return Shared(
            ends=[(job.latest.state, job.latest.reason) for job in history.jobs],
            url=url,
            urls=[self.lines_of(trial.artifact("url", number)) for number in (1, 2)],
            starts=self.lines_of(f"{trial.run.invocation.run_dir}/deployment/artifacts/starts"),
            answers=self.server_answers(url),
            held=_held(trial),
            logs={role: read_to_end(trial, job, 1 << 16, role) for role in ("client", "server")} if job else {},
        )

    def _server(self, trial: Trial) -> Handle:
        (server,) = trial.need_handles(NeedKind.SERVER)
        return server

    def _assert_released(self, trial: Trial) -> None:
        assert _held(trial) == []
        assert not self.server_answers(self._server(trial).outputs["base_url"])


def _held(trial: Trial) -> list[str]:
    """Return the needs that are not known to be gone, of those that do not outlive a run."""
    needs = [need for need in trial.run.history().needs if not need.latest.kind.lasting]
    return [need.key for need in needs if not need.latest.released]
