"""The accounting of a test cluster: slurmdbd, and the database server behind it."""

import contextlib
from pathlib import Path

from tests.slurm import configuration
from tests.slurm.machine import Machine, wait_until

# In memory: making a database there takes a fraction of the time, and nobody needs it after the machine.
_DATA = "/run/database"


def start_accounting(machine: Machine, folder: Path, address: str) -> None:
    """Start slurmdbd on a machine that has munged, with a database of its own.

    Args:
        folder: where sockets and logs go.
        address: the machine's own.
    """
    socket = folder / "mariadb.sock"
    machine.run("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={_DATA}", "--skip-test-db")
    machine.start(
        "mariadbd",
        "--no-defaults",
        "--user=root",
        f"--datadir={_DATA}",
        f"--socket={socket}",
        "--skip-networking",
        # What slurmdbd asks for.
        "--innodb-buffer-pool-size=128M",
        "--innodb-lock-wait-timeout=900",
        "--innodb-log-file-size=32M",
    )
    wait_until(lambda: _answers(machine, "mariadb-admin", "--no-defaults", f"--socket={socket}", "ping"), "mariadbd")
    machine.run("mariadb", "--no-defaults", f"--socket={socket}", "--execute=create database slurm_acct_db")
    conf = folder / "etc" / "slurm" / "slurmdbd.conf"
    conf.touch(mode=0o600)
    conf.write_text(configuration.slurmdbd_conf(folder, address))
    # The machine's /etc was laid before this file was there.
    machine.run("cp", "--preserve", str(conf), "/etc/slurm/")
    machine.start("slurmdbd", "-D", env={"MYSQL_UNIX_PORT": str(socket)})
    wait_until(lambda: _answers(machine, "sacctmgr", "--noheader", "show", "cluster"), "slurmdbd")
    machine.run("sacctmgr", "--immediate", "--noheader", "add", "cluster", "testbed")


def _answers(machine: Machine, *argv: str) -> bool:
    with contextlib.suppress(RuntimeError):
        machine.run(*argv)
        return True
    return False
