"""Logging in to a test cluster: a real sshd on its login machine, and what `ssh login` needs here."""

import subprocess
from pathlib import Path

from attrs import frozen

from tests.slurm.cluster import Cluster
from tests.slurm.machine import wait_until


@frozen(kw_only=True)
class Login:
    """How to reach the login machine.

    Attributes:
        hostname: what `ssh` calls it.
        bin: a folder with an `ssh` that knows it: of the user's own configuration, ssh reads only root's.
    """

    hostname: str
    bin: Path
    cluster: Cluster

    def start(self) -> None:
        """Start sshd and wait until somebody may log in."""
        machine = self.cluster.machines["login"]
        machine.start("/usr/sbin/sshd", "-D", "-e", "-f", str(self.cluster.folder / "ssh" / "sshd_config"))
        wait_until(lambda: self._ssh("true").returncode == 0, lambda: f"sshd: {self._ssh('true').stderr}")

    def run(self, command: str) -> str:
        """Run a command on the login machine and return what it prints.

        Raises:
            AssertionError: it failed.
        """
        done = self._ssh(command)
        assert done.returncode == 0, f"ssh {self.hostname} {command}: {done.stderr}"
        return done.stdout.strip()

    def drop(self) -> None:
        """End every connection and what was started over it, as a reboot does; new ones are possible afterwards."""
        self.cluster.power_off("login")
        self.cluster.power_on("login")
        self.start()

    def _ssh(self, command: str) -> subprocess.CompletedProcess[str]:
        argv = [str(self.bin / "ssh"), self.hostname, command]
        return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def open_login(cluster: Cluster) -> Login:
    """Start sshd on the login machine of a cluster, with one key that may log in."""
    folder = cluster.folder / "ssh"
    (folder / "bin").mkdir(parents=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    address = cluster.address("login")
    (folder / "sshd_config").write_text(_sshd_config(folder, address))
    (folder / "known_hosts").write_text(f"{address} {(folder / 'host.pub').read_text()}")
    (folder / "ssh_config").write_text(_ssh_config(folder, address))
    command = folder / "bin" / "ssh"
    command.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F "{folder}/ssh_config" "$@"\n')
    command.chmod(0o755)
    login = Login(hostname="login", bin=command.parent, cluster=cluster)
    login.start()
    return login


def _sshd_config(folder: Path, address: str) -> str:
    return f"""\
ListenAddress {address}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
StrictModes no
PidFile none
MaxStartups 100
Subsystem sftp internal-sftp
"""


def _ssh_config(folder: Path, address: str) -> str:
    return f"""\
Host login
    HostName {address}
    User root
    IdentityFile {folder}/user
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 10
"""
