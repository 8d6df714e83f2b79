# ---------------------------------------------------------------------------------------------------------------------
# From here on: the same for every job.

set -u
cd "$directory" || { echo "there is no folder $directory on $(uname -n)" >&2; exit 73; }

# Tells evalyard why this job ends; it knows only that it was stopped.
note() { if [ -n "$record" ]; then printf '%s\t%s\n' "$1" "$2" >"$record/why"; fi; }

record='' child='' stopping=''
stop() {
  stopping=yes
  # Before run.sh listens it can lose a signal, or die of it without a word: it looks for this, and so does evalyard.
  if [ -n "$record" ]; then true >"$record/stop"; fi
  if [ -n "$child" ]; then kill -s TERM "$child" 2>/dev/null; fi
}
trap stop $signals
# Some tell a job with it that it will be suspended. It ends nothing, and run.sh is not to take it for something else.
case " $signals " in *" USR1 "*) ;; *) trap '' USR1 ;; esac

attempt=${1:-${EVALYARD_SUBMITTED:-}}
if [ -n "$attempt" ]; then # submitted by evalyard
  record=attempts/$attempt
  echo "$number" >"$record/.job.$number"
  # Of several jobs that were submitted for this attempt one has it. Nodes that see files late agree on a link.
  if ! ln "$record/.job.$number" "$record/job" 2>/dev/null; then
    if { IFS= read -r first <"$record/job"; } 2>/dev/null; then
      if [ "$first" = "$number" ] && [ -n "$stopping" ]; then
        stop # the scheduler's signal may have hit `ln` as well, after its work
      elif [ "$first" = "$number" ]; then
        note FAILED "$title began it a second time, which would overwrite what it had done; to try again: evalyard resume"
      fi
      exit 75
    fi
    cp "$record/.job.$number" "$record/job" # a disk that knows no links
  fi
  rm -f "$record/.job.$number"
  EVALYARD_ATTEMPT=$attempt
  IFS=$(printf '\t') read -r EVALYARD_LAUNCH _ <"$record/submitting" || exit 73
  export EVALYARD_ATTEMPT EVALYARD_LAUNCH
fi

walltime_is_near() {
  note TIMED_OUT "it met its walltime of $walltime_s s"
  stop
}
trap walltime_is_near ALRM

# Ends with the job, however that ends.
watch_time() {
  trap - $signals
  tell=$(($(date +%s) + walltime_s - flush_s))
  while [ "$(date +%s)" -lt "$tell" ]; do
    kill -0 $$ 2>/dev/null || exit 0
    sleep 1
  done
  kill -s ALRM $$
}
if [ "$walltime_s" -gt 0 ]; then watch_time >/dev/null 2>&1 & fi

# What is to end is not begun.
if [ -n "$stopping" ]; then stop; exit 143; fi

# Some schedulers signal all processes of a job at once: only this one knows what theirs mean, and passes on TERM.
(
  for signal in $signals; do
    case $signal in TERM | INT) ;; *) trap '' "$signal" ;; esac
  done
  exec sh run.sh
) &
child=$!
if [ -n "$stopping" ]; then stop; fi
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
  wait "$child"
  code=$?
done
exit "$code"
