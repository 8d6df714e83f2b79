#!/bin/sh
# The model server as a task of a step of Slurm's. Whatever it has started ends with it, on whichever way it ends.
set -u
CDPATH= cd -- "$(dirname -- "$0")" || exit 1
PROC_ID=$SLURM_PROCID
mark=EVALYARD_STEP=$SLURM_JOB_ID.$SLURM_STEP_ID.$PROC_ID

# Without cgroups (proctrack/linuxproc) Slurm finds what belongs to a step by its parents alone, and kills children before
# them. It misses what has lost its parent: a daemon, what a server that died leaves behind, what a loop starts anew
# between the end of a child and its own. That holds the server's log open; Slurm waits for it, and in the end takes the
# node out of service. So one that Slurm misses as well, as its parent ends at once, ends these.
watch() {
  trap '' TERM INT HUP
  exec </dev/null >/dev/null 2>&1 # a redirection of the call would keep the old ones open
  # As long as the server is there, and slurmstepd to look after it.
  while grep -qs "^PPid:.$PPID\$" "/proc/$$/status"; do sleep 1; done
  # Those in sessions of their own; nobody has an environment at the very moment when it becomes another program.
  for round in 1 2 3 4 5 6 7 8 9 10; do
    sleep 1
    left=$(grep -lszxF "$mark" /proc/[0-9]*/environ)
    if [ -z "$left" ]; then break; fi
    for found in $left; do
      found=${found#/proc/}
      kill -s KILL "${found%/environ}" 2>/dev/null
    done
  done
  # Some write their titles over their environment. Of all tasks of the step on this node, this is the process group.
  kill -s KILL 0
}
(watch &)
export PROC_ID "$mark"
exec sh ./serve.sh
