# ---------------------------------------------------------------------------------------------------------------------
# From here on: the same for every job.

set -u
cd "$directory" || { echo "there is no folder $directory on $SLURMD_NODENAME" >&2; exit 73; }
# Steps see what this script sets, and ask for themselves what they need of the job.
export SLURM_EXPORT_ENV=ALL
unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU SLURM_MEM_PER_NODE SLURM_NTASKS SLURM_NPROCS SLURM_NTASKS_PER_NODE
unset SLURM_CPUS_PER_TASK SLURM_EXCLUSIVE SLURM_DISTRIBUTION

# Tells evalyard why this job ends; it knows only that it was stopped.
note() { if [ -n "$record" ]; then printf '%s\t%s\n' "$1" "$2" >"$record/why"; fi; }

if [ $# -gt 0 ]; then # submitted by evalyard, as this attempt
  record=attempts/$1
  echo "$SLURM_JOB_ID" >"$record/.job.$SLURM_JOB_ID"
  # Of several jobs that were submitted for this attempt one has it. Nodes that see files late agree on a link.
  if ! ln "$record/.job.$SLURM_JOB_ID" "$record/job" 2>/dev/null; then
    if { IFS= read -r first <"$record/job"; } 2>/dev/null; then
      if [ "$first" = "$SLURM_JOB_ID" ]; then
        note FAILED 'Slurm began it a second time, which would overwrite what it had done; to try again: evalyard resume'
      fi
      exit 75
    fi
    cp "$record/.job.$SLURM_JOB_ID" "$record/job" # a disk that knows no links
  fi
  rm -f "$record/.job.$SLURM_JOB_ID"
  EVALYARD_ATTEMPT=$1
  IFS=$'\t' read -r EVALYARD_LAUNCH _ <"$record/submitting" || exit 73
  export EVALYARD_ATTEMPT EVALYARD_LAUNCH
else
  record=
  export EVALYARD_QUIET=1
fi

# What is asked to end has until then, less a little, before Slurm kills it.
kill_wait=$(timeout 10 scontrol show config 2>/dev/null | sed -n 's/^KillWait *= *\([0-9]*\).*/\1/p')
kill_wait=${kill_wait:-30}
export EVALYARD_GRACE_S=$((kill_wait > 6 ? kill_wait - 4 : kill_wait / 2))

child='' stopping=''
stop() {
  stopping=yes
  if [ -z "$child" ]; then return; fi
  # srun would kill its step at once instead of passing the signal on.
  if [ -n "$steps" ]; then scancel --quiet --signal=TERM "$SLURM_JOB_ID"; else kill -s TERM "$child" 2>/dev/null; fi
}
walltime_is_near() {
  note TIMED_OUT "it met its walltime of $walltime"
  stop
}
trap stop TERM INT
trap walltime_is_near USR1

start_server() {
  served=$directory/deployment/$SLURM_JOB_ID
  mkdir -p "$served/artifacts" || exit 73
  if [ "$port" = 0 ]; then
    # Of this job's own, as other jobs may have this node too.
    port=$((20000 + SLURM_JOB_ID % 10000))
    while (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  fi
  nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
  ips=$(for node in $nodes; do getent ahostsv4 "$node" | sed -n '1s/ .*//p'; done)
  EVALYARD_SERVER_EXIT=$served/exit
  (
    PORT=$port NUM_NODES=$SLURM_JOB_NUM_NODES
    MASTER_IP=${ips%%$'\n'*}
    ALL_NODE_IPS=${ips//$'\n'/,}
    EVALYARD_OUTPUT_DIR=$served/artifacts
    export PORT NUM_NODES MASTER_IP ALL_NODE_IPS EVALYARD_OUTPUT_DIR
    unset EVALYARD_LAUNCH EVALYARD_ATTEMPT EVALYARD_SERVER_EXIT
    serve
    echo "$?" >"$served/exit"
  ) &
  # The evaluation is on the first node, as the first of the servers is.
  EVALYARD_BASE_URL=http://127.0.0.1:$port
  export EVALYARD_SERVER_EXIT EVALYARD_BASE_URL
  if [ -z "$gpus" ]; then export CUDA_VISIBLE_DEVICES=; fi
}

if [ -n "$port" ]; then start_server; fi
sh run.sh &
child=$!
if [ -n "$stopping" ]; then stop; fi
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
  wait "$child"
  code=$?
done
# With the end of this script Slurm ends whatever else is left of the job: first with SIGTERM, then with SIGKILL.
exit "$code"
