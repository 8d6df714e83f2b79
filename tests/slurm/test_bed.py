"""The cluster that tests run on: it is one, it breaks as told, and nothing stays of it."""

import subprocess
from pathlib import Path

import psutil
import pytest

from tests.backends import require_backend
from tests.slurm.cluster import Cluster
from tests.slurm.images import busybox_image
from tests.slurm.machine import wait_until
from tests.slurm.sshd import Login, open_login

pytestmark = pytest.mark.slurm
_CGROUPS = Path("/sys/fs/cgroup")


def test_nodes_have_names_and_addresses_of_their_own(cluster: Cluster) -> None:
    said = cluster.ask("srun", "--nodes=2", "sh", "-c", 'echo "$(hostname) $(hostname -I)"')
    assert sorted(line.split() for line in said.splitlines()) == [
        ["n1", cluster.address("n1")],
        ["n2", cluster.address("n2")],
    ]


def test_nodes_reach_each_other_and_this_machine_by_name(cluster: Cluster) -> None:
    said = cluster.ask("srun", "--nodelist=n1", "getent", "hosts", "n2", "desk")
    assert [line.split() for line in said.splitlines()] == [
        [cluster.address("n2"), "n2"],
        [cluster.this_machine, "desk"],
    ]
    # Without a server to ask, a name that nobody has is refused at once.
    cluster.ask("srun", "--nodelist=n1", "getent", "hosts", "elsewhere.example", code=2)


def test_jobs_see_the_files_of_this_machine(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.submit(f"hostname > {tmp_path}/where")
    cluster.await_state(job, "COMPLETED")
    assert (tmp_path / "where").read_text() == "n1\n"


def test_a_job_may_have_more_processors_and_gpus_than_there_are(cluster: Cluster) -> None:
    said = cluster.ask("srun", "--cpus-per-task=8", "--gres=gpu:8", "printenv", "CUDA_VISIBLE_DEVICES")
    assert said == "0,1,2,3,4,5,6,7"


def test_without_accounting_nobody_asks_for_it(cluster: Cluster) -> None:
    assert cluster.ask("sacct", code=1) == ""


def test_sacct_knows_a_job_that_has_ended(cluster_with_accounting: Cluster) -> None:
    job = cluster_with_accounting.submit("exit 3")
    ask = ("sacct", "-X", "-n", "-P", "-j", job, "-o", "State,ExitCode")
    wait_until(lambda: cluster_with_accounting.ask(*ask) == "FAILED|3:0", lambda: cluster_with_accounting.ask(*ask))


def test_a_job_that_takes_too_much_memory_is_ended(cluster_with_accounting: Cluster) -> None:
    job = cluster_with_accounting.submit("exec python3 -c 'bytearray(400 << 20)'", "--mem=50")
    cluster_with_accounting.await_state(job, "OUT_OF_MEMORY")


def test_ssh_reaches_the_login_machine_with_nothing_of_the_caller(login: Login) -> None:
    folder = login.cluster.folder
    assert login.run("hostname; echo $HOME; echo $EVALYARD_HOME; sinfo -h -o %D").split("\n") == [
        "login",
        str(folder / "home"),
        "",
        "2",
    ]


def test_ssh_answers_again_after_every_connection_was_dropped(login: Login) -> None:
    argv = [str(login.bin / "ssh"), login.hostname, "echo here; sleep 600"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "here\n"
        login.drop()
        assert session.wait() == 255
    assert login.run("hostname") == "login"


def test_jobs_survive_the_daemon_of_their_node(cluster: Cluster, tmp_path: Path) -> None:
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    job = cluster.submit(f"touch {begun}; until [ -e {gate} ]; do sleep 0.1; done", "--nodelist=n2")
    wait_until(begun.exists, "the job's own first command")  # it is called RUNNING while its prolog runs
    cluster.kill_slurmd("n2")
    cluster.start_slurmd("n2")
    gate.touch()
    cluster.await_state(job, "COMPLETED")


def test_a_node_that_is_switched_off_takes_its_jobs_with_it_and_comes_back(cluster: Cluster) -> None:
    job = cluster.submit("sleep 600", "--nodelist=n2", "--no-requeue")
    cluster.await_state(job, "RUNNING")
    cluster.power_off("n2")
    cluster.take_down("n2")
    cluster.await_state(job, "NODE_FAIL")
    cluster.power_on("n2")
    cluster.await_nodes("idle")


def test_jobs_survive_a_restart_of_the_controller(cluster: Cluster) -> None:
    job = cluster.submit("sleep 600")
    cluster.await_state(job, "RUNNING")
    with cluster.without_controller():
        assert not cluster.machines["head"].runs("slurmctld")
    assert cluster.state(job) == "RUNNING|None"
    cluster.ask("scancel", job)
    cluster.await_state(job, "CANCELLED")


def test_a_controller_that_forgets_a_job_gives_its_number_away_again(cluster: Cluster) -> None:
    with cluster.forgetting():
        job = cluster.submit("true", "--hold")
    assert cluster.state(job) == ""
    assert cluster.submit("true", "--hold") == job


def test_nodes_run_containers_on_their_own_network(cluster: Cluster, podman_busybox: str) -> None:
    said = cluster.ask("srun", "--nodes=2", "podman", "run", "--rm", podman_busybox, "hostname", "-i")
    assert sorted(said.split()) == [cluster.address("n1"), cluster.address("n2")]


def test_nothing_is_left_of_a_cluster(tmp_path: Path) -> None:
    require_backend("podman")
    link = ""
    before = _traces(link)
    folder = tmp_path / "cluster"
    spaces: set[str] = set()
    cluster = Cluster.start(folder, nodes=("t1", "t2"), memory_limits=True)
    try:
        link = f"test-slurm{cluster.network.prefix.rpartition('.')[2]}"
        open_login(cluster)
        container = f"podman run {busybox_image(cluster)} sh -c 'touch /tmp/up; sleep 600'"
        job = cluster.submit(f"setsid sleep 600 & {container} & touch {tmp_path}/up; wait")
        wait_until((tmp_path / "up").exists, lambda: f"the job: {cluster.state(job)}")
        spaces = {_space(machine.pid) for machine in [cluster.network.switch, *cluster.machines.values()]}
        assert len(spaces) == 5
        assert _inhabitants(spaces)
        assert _traces(link) - before
    finally:
        cluster.stop()
    assert not folder.exists()
    assert not _inhabitants(spaces)
    # The kernel removes the network's last cable a moment after the switch.
    wait_until(lambda: not _traces(link) - before, lambda: f"nothing new: {_traces(link) - before}")


def _traces(link: str) -> set[str]:
    """What a cluster with this cable might add to this machine and not remove; others may come and go meanwhile."""
    cgroups = [path for name in ("slurm_t*", "libpod_*") for path in _CGROUPS.glob(f"*/{name}")]
    files = [path for folder in ("/etc", "/run") for path in Path(folder).iterdir()]
    # A mount would keep a namespace that has no process any more.
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return {
        Path("/etc/hosts").read_text(),
        *(str(path) for path in [*cgroups, *files]),
        *(line for line in mounts if "docker" not in line),
        *(name for name in psutil.net_if_addrs() if name == link),
    }


def _space(pid: int) -> str:
    """The namespace of processes that one is in; empty when it has ended."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _inhabitants(spaces: set[str]) -> list[str]:
    """The names of all processes in these namespaces."""
    return [process.info["name"] for process in psutil.process_iter(["name"]) if _space(process.pid) in spaces]
