"""Whether an endpoint can be reached from a container: a short-lived one of the task's own image asks it once."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from attrs import frozen

from evalyard import Finding, Severity

if TYPE_CHECKING:
    from docker import DockerClient

SUBJECT = "endpoint from a container"
LABEL = "evalyard.probe"
"""On every container of a probe, so that one left behind by a crash can be told."""
NO_TOOL = 77
"""The exit code of the probe's script when the image has nothing to ask with."""
_TRY_S = 10
_LONGEST_S = 30
_LONGEST_WORDS = 300
# What curl (by our own -w), busybox's and GNU's wget, and urllib say of an HTTP answer, a refusal included.
_ANSWER = re.compile(r"(?:answered |HTTP/[0-9.]+ |ERROR |response\.\.\. )(\d{3})")

SCRIPT = f"""\
if command -v curl >/dev/null 2>&1; then
  exec curl -sS -o /dev/null -m {_TRY_S} -w 'answered %{{http_code}}\\n' "$1" 2>&1
fi
if command -v wget >/dev/null 2>&1; then
  # No -T: statically linked busybox crashes on it. The probe as a whole has its time.
  wget -O /dev/null "$1" 2>&1 && echo 'answered 200'
  exit
fi
if command -v python3 >/dev/null 2>&1; then
  exec python3 -c '
import sys, urllib.error, urllib.request
try:
    print("answered", urllib.request.urlopen(sys.argv[1], timeout={_TRY_S}).status)
except urllib.error.HTTPError as error:
    print("answered", error.code)
except Exception as error:
    sys.exit(str(error))
' "$1" 2>&1
fi
exit {NO_TOOL}
"""
"""Asks the URL that is its argument, with the first tool that the image has."""


@frozen(kw_only=True, order=True)
class Probe:
    """One question."""

    image: str
    network: str
    """Empty = Docker's default; `host`; or a network's name."""
    url: str


def reach(client: DockerClient, probe: Probe, *, timeout_s: float) -> Finding:
    """Ask a probe's URL from a container of its image, which has to be here; nothing of it stays.

    Raises:
        whatever Docker's SDK raises.
    """
    container = client.containers.create(
        probe.image,
        entrypoint=["sh"],
        command=["-c", SCRIPT, "probe", probe.url],
        name=f"ey-probe-{secrets.token_hex(4)}",
        labels={LABEL: "1"},
        network_mode=probe.network or None,
        use_config_proxy=True,
    )
    try:
        container.start()
        code = int(container.wait(timeout=max(1.0, min(timeout_s, _LONGEST_S)))["StatusCode"])
        words = container.logs(stdout=True, stderr=True).decode(errors="replace")
    finally:
        container.remove(force=True)
    return verdict(probe, code, words)


def verdict(probe: Probe, code: int, words: str) -> Finding:
    """Say what a probe's exit code and output mean. Pure."""
    if code == NO_TOOL:
        return unknown(probe, "no curl, wget or python3 in the image")
    if "not an http or ftp url" in words:
        return unknown(probe, "the image's wget knows no https")
    answers = [status for status in _ANSWER.findall(words) if status != "000"]  # 000: curl's word for none
    where = f"{probe.url} from {probe.image}"
    if answers:
        return Finding(severity=Severity.OK, subject=SUBJECT, message=f"{where} answers ({answers[-1]})")
    lines = [line.strip() for line in words.splitlines() if line.strip() and not line.startswith("answered")]
    return failed(probe, lines[-1][:_LONGEST_WORDS] if lines else f"exit code {code}")


def unknown(probe: Probe, why: str) -> Finding:
    """Say that a probe could not be made."""
    return Finding(
        severity=Severity.OK, subject=SUBJECT, message=f"{probe.url} cannot be tried from {probe.image}: {why}"
    )


def failed(probe: Probe, why: str) -> Finding:
    """Say that an endpoint did not answer."""
    network = f"network {probe.network}" if probe.network else "Docker's default network"
    return Finding(
        severity=Severity.ERROR,
        subject=SUBJECT,
        message=f"{probe.url} does not answer in {probe.image} ({network}): {why}",
        remedy="look at the address, the name service and the firewall as a container sees them; "
        "execution.extra_docker_args: --network=host uses this machine's",
        unreachable=True,
    )
