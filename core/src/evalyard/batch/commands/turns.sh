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

# All jobs of ours that the scheduler still knows: asked once.
looked='' queue=''
look() {
  if [ -n "$looked" ]; then return 0; fi
  ask_queue || return 1
  looked=yes
}

# Sets $answer to the number of the job that has begun attempt $record, with a `=` before it: if several were submitted,
# it is the one that counts. Looks into the folder, as disks of a network show new files late to those who only ask for a
# name.
begun() {
  : "$record"/*
  { IFS= read -r first <"$record/job"; } 2>/dev/null && [ -n "$first" ] && answer="=$first"
}

# What became of an attempt that was about to be submitted, $record of job $name: sets $answer to its number with a `=`
# before it, to `-` where the number is in what the queue says, to nothing where there is no such job; or fails when that
# cannot be said. A job that has begun has left its number.
whereabouts() {
  answer=
  if begun; then return 0; fi
  look || return 1
  if mentioned "$name"; then answer=-; fi
}

# Notes that attempt $record was submitted: $answer. Whoever reads a line without its end takes it for not written.
note_job() { { printf '%s\t%s\t%s\n' "$mark" "${answer:--}" "$name" >"$record/submitted"; } 2>/dev/null; }
