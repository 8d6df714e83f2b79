"""The executor of this machine keeps the contract, with Docker."""

import subprocess
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from evalyard.testing import Conformance
from tests.docker_images import PYTHON


@pytest.mark.docker
class TestLocalDocker(Conformance):
    executor = "local"
    settings: ClassVar = {"pull": "never", "keep": "none", "kill_grace_s": 2}
    impatient: ClassVar = {"endpoint_readiness_timeout": 2}
    awkward_folder = "näïve $(touch executed)"  # Docker mounts no path with a quote in it
    stored = Path(__file__).parent / "stored" / "local"
    races = 4
    polls = 30
    serves = True
    image = PYTHON
    # Its disk is this machine's, and whether a container's job lives is seen there: few calls ask the engine.
    not_offered = frozenset({"fetch", "outage"})

    @pytest.fixture(autouse=True)
    def _image(self, python_image: str) -> None:
        assert python_image == self.image

    def server_answers(self, url: str) -> bool:
        """Ask as another container of the private network would: this machine has no way in."""
        networks = subprocess.run(
            ["docker", "network", "ls", "--filter", "label=evalyard.token", "--format", "{{.Name}}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        return any(self._answers_in(network, url) for network in networks)

    def _answers_in(self, network: str, url: str) -> bool:
        asked = f"python3 -c \"import urllib.request as r; r.urlopen('{url}/', timeout=5)\""
        done = subprocess.run(
            ["docker", "run", "--rm", "--network", network, "--entrypoint", "sh", self.image, "-c", asked],
            capture_output=True,
            check=False,
        )
        assert urlsplit(url).hostname == "model"
        return done.returncode == 0
