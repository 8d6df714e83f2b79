"""Claims about what jobs share: a model server that is made once and is gone after the last of them."""

from __future__ import annotations

import urllib.error
import urllib.request

from evalyard.records import NeedKind
from evalyard.specs import DeploymentSpec, ServerPaths
from evalyard.states import JobState
from evalyard.testing.claims import Claims
from evalyard.testing.rig import BEAT, LEAVE_RESULTS, Rig, task, wait_until

_SERVE = """\
echo started >> "$EVALYARD_OUTPUT_DIR/starts"
exec "${EVALYARD_PYTHON:-python3}" -m http.server "$PORT" --bind "$HOST\""""


class NeedClaims(Claims):
    """Shared needs."""

    def server_answers(self, url: str) -> bool:
        """Whether a model server answers at its base URL: replace it where this machine cannot reach the server."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{url}/", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def test_a_server_for_two_jobs_is_made_once_and_gone_after_the_last(self, rig: Rig) -> None:
        self.offered("deployments", there=self.serves)
        note = 'echo "$EVALYARD_ENDPOINT_URL" > "$EVALYARD_OUTPUT_DIR/url"'
        trial = rig.trial(
            *(task(f"{note}; {LEAVE_RESULTS}", name=name) for name in ("one", "other")), deployment=_deployment(_SERVE)
        )
        history = trial.finish()
        assert [(job.latest.state, job.latest.reason) for job in history.jobs] == [(JobState.SUCCEEDED, "")] * 2
        (server,) = trial.need_handles(NeedKind.SERVER)
        url = server.outputs["base_url"]
        for number in (1, 2):
            assert self.lines_of(trial.artifact("url", number)) == [f"{url}/v1/chat/completions"]
        assert self.lines_of(f"{trial.run.invocation.run_dir}/deployment/artifacts/starts") == ["started"]
        assert not self.server_answers(url)
        assert all(need.latest.released for need in history.needs if not need.latest.kind.lasting)

    def test_a_server_that_ends_at_once_fails_the_job_and_is_named(self, rig: Rig) -> None:
        self.offered("deployments", there=self.serves)
        trial = rig.trial(task(LEAVE_RESULTS), deployment=_deployment("echo out of luck; exit 9"))
        trial.finish()
        assert trial.attempt().state is JobState.FAILED
        assert "server" in trial.attempt().reason

    def test_cancelling_the_only_job_releases_its_server(self, rig: Rig) -> None:
        self.offered("deployments", there=self.serves)
        trial = rig.trial(task(BEAT), deployment=_deployment(_SERVE))
        trial.begin()
        (server,) = trial.need_handles(NeedKind.SERVER)
        wait_until(lambda: self.server_answers(server.outputs["base_url"]), "the server answers")
        trial.cancel()
        assert trial.attempt().state is JobState.CANCELLED
        assert not self.server_answers(server.outputs["base_url"])


def _deployment(command: str) -> DeploymentSpec:
    return DeploymentSpec(
        type="generic", command=command, served_model_name="model", port=0, endpoints=ServerPaths(health="/")
    )
