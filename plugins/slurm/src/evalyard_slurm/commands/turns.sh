# Who submits for a run, or looks what was submitted, does so alone. Where files cannot be locked, the job's own script
# still sees to it that no attempt runs twice.
take_turn() {
  if ! command -v flock >/dev/null 2>&1 || ! (: >>"$run_dir/.turn") 2>/dev/null; then return 0; fi
  exec 9>>"$run_dir/.turn"
  give_up=$(($(clock) + $1))
  while :; do
    flock -n 9 2>/dev/null
    case $? in
      0) return 0 ;;
      1) ;;
      *) return 0 ;;
    esac
    if [ "$(clock)" -ge "$give_up" ]; then return 1; fi
    pause
  done
}

# All jobs of ours that Slurm still knows, as id|name: asked once.
looked='' queue=''
look() {
  if [ -n "$looked" ]; then return 0; fi
  queue=$(squeue --noheader --states=all --user="$(id -u)" --format='%i|%j' 2>&1) || return 1
  looked=yes
}

# The id of the job called $1, if Slurm knows one.
queued() {
  printf '%s\n' "$queue" | while IFS='|' read -r id name; do
    if [ "$name" = "$1" ]; then
      echo "$id"
      break
    fi
  done
}

# What became of an attempt that was about to be submitted, $record, job $job_name: sets $id, or fails when that cannot be
# said. A job that has begun has left its id.
whereabouts() {
  id=
  if { IFS= read -r id <"$record/job"; } 2>/dev/null && [ -n "$id" ]; then return 0; fi
  look || return 1
  id=$(queued "$job_name")
}

# Notes that attempt $record was submitted as job $id. Whoever reads a line without its end takes it for not written.
note_job() { { printf '%s\t%s\t%s\n' "$mark" "$id" "$job_name" >"$record/submitted"; } 2>/dev/null; }
