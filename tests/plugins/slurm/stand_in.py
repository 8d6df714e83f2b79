"""A Slurm that is a folder: commands of its names, which answer from a file and break as told."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

_COMMON = """\
#!/bin/sh
slurm=$(dirname "$0")/..
echo "${0##*/} $*" >>"$slurm/calls"
if [ -e "$slurm/down" ]; then
  echo "${0##*/}: error: Unable to contact slurm controller (connect failure)" >&2
  exit 1
fi
"""

_SBATCH = """\
if [ -e "$slurm/refusal" ]; then cat "$slurm/refusal" >&2; exit 1; fi
case "$*" in --test-only*)
  echo 'sbatch: Job 9 to start at 2026-01-01T00:00:00 using 1 processors on nodes n1 in partition batch' >&2
  exit
  ;;
esac
job_name= script=
for word; do case $word in --job-name=*) job_name=${word#*=} ;; -*) ;; *) script=${script:-$word} ;; esac; done
if [ ! -e "$script" ]; then echo "sbatch: error: Unable to open file $script" >&2; exit 1; fi
id=$(($(cat "$slurm/last") + 1))
echo "$id" >"$slurm/last"
echo "$id|PENDING|Priority|N/A|$job_name|$(pwd)" >>"$slurm/jobs"
env >"$slurm/environment"
if [ -e "$slurm/silence" ]; then
  rm "$slurm/silence"
  echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2
  exit 1
fi
echo "$id;cluster"
"""

_SQUEUE = """\
states= jobs= format='%i'
for word; do
  case $word in
    --states=*) states=all ;;
    --jobs=*) jobs=,${word#*=}, ;;
    --format=*) format=${word#*=} ;;
    --version) echo 'slurm-wlm 22.05.8'; exit ;;
  esac
done
found=
while IFS='|' read -r id state reason end name folder; do
  case $jobs in '' | *",$id,"*) ;; *) continue ;; esac
  found=yes
  case $states$state in all* | PENDING | RUNNING | COMPLETING) ;; *) continue ;; esac
  case $format in
    '%i|%T|%r|%e|%j') echo "$id|$state|$reason|$end|$name" ;;
    '%i|%T|%r|%e|%j|%Z') echo "$id|$state|$reason|$end|$name|$folder" ;;
    '%i') echo "$id" ;;
  esac
done <"$slurm/jobs"
if [ -n "$jobs" ] && [ -z "$found" ]; then
  echo 'slurm_load_jobs error: Invalid job id specified' >&2
  exit 1
fi
"""

_SACCT = """\
if [ ! -e "$slurm/accounts" ]; then echo 'Slurm accounting storage is disabled' >&2; exit 1; fi
if [ -e "$slurm/accounts-down" ]; then echo 'sacct: error: slurm_persist_conn_open: Connection refused' >&2; exit 1; fi
cat "$slurm/accounts"
"""

_SCANCEL = """\
for id; do
  sed -e "s/^$id|[A-Z]*|[^|]*|[^|]*|/$id|CANCELLED|None|2026-01-01T00:00:00|/" "$slurm/jobs" >"$slurm/jobs.new"
  mv "$slurm/jobs.new" "$slurm/jobs"
done
"""

# The node is this very machine.
_SRUN = """\
if [ "$1" = --help ]; then exit; fi
if [ -e "$slurm/busy" ]; then
  echo 'srun: error: Unable to allocate resources: Requested nodes are busy' >&2
  exit 1
fi
while :; do case $1 in --*) shift ;; *) break ;; esac; done
SLURMD_NODENAME=n1
export SLURMD_NODENAME
exec "$@"
"""

_SCONTROL = """\
case "$1 $2" in 'show partition') cat "$slurm/partition" ;; esac
"""


@frozen(kw_only=True)
class StandIn:
    """What the commands answer.

    Attributes:
        folder: with `bin`, which goes on PATH.
    """

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> StandIn:
        """Write the commands into a folder."""
        (folder / "bin").mkdir(parents=True)
        texts = {
            "sbatch": _SBATCH,
            "squeue": _SQUEUE,
            "sacct": _SACCT,
            "scancel": _SCANCEL,
            "scontrol": _SCONTROL,
            "sinfo": 'cat "$slurm/nodes"\n',
            "srun": _SRUN,
        }
        for name, text in texts.items():
            command = folder / "bin" / name
            command.write_text(_COMMON + text)
            command.chmod(0o755)
        for name, text in {
            "jobs": "",
            "calls": "",
            "last": "100\n",
            "nodes": "idle\n",
            "partition": "PartitionName=batch State=UP\n",
        }.items():
            (folder / name).write_text(text)
        return cls(folder=folder)

    @property
    def bin(self) -> Path:
        """Where the commands are."""
        return self.folder / "bin"

    def say(self, name: str, text: str = "") -> None:
        """Let the commands find a file of this name, such as `refusal`, `silence`, `down`, `accounts`."""
        (self.folder / name).write_text(text)

    def unsay(self, name: str) -> None:
        """Remove such a file."""
        (self.folder / name).unlink()

    def job(self, number: int, state: str, name: str, reason: str = "None", end: str = "N/A", folder: str = "") -> None:
        """Put a job into the queue, in place of the one of that number."""
        others = [line for line in self.jobs() if not line.startswith(f"{number}|")]
        line = f"{number}|{state}|{reason}|{end}|{name}|{folder}"
        (self.folder / "jobs").write_text("".join(f"{text}\n" for text in [*others, line]))

    def jobs(self) -> list[str]:
        """Return what the queue holds."""
        return (self.folder / "jobs").read_text().splitlines()

    def calls(self, command: str = "") -> list[str]:
        """Return how commands were called until now."""
        return [line for line in (self.folder / "calls").read_text().splitlines() if line.startswith(command)]
