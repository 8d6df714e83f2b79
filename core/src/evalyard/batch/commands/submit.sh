# submit RUN_DIR OWNER <lines: name, mark, attempt, folder of the task, what submits it there
run_dir=$1 owner=$2

submit() {
  if ! cd -- "$folder" 2>/dev/null; then
    row refused "$name" "there is no folder $folder"
    return
  fi
  record=attempts/$attempt
  if [ -e "$run_dir/.revoked/$mark" ]; then
    row refused "$name" 'it was cancelled before it was submitted'
    return
  fi
  if { IFS=$tab read -r theirs answer _ <"$record/submitted"; } 2>/dev/null; then
    if [ "$theirs" = "$mark" ]; then
      begun
      row job "$name" "$answer"
    else
      row refused "$name" 'somebody else has this attempt'
    fi
    return
  fi
  if [ -e "$record/submitting" ]; then
    if ! whereabouts; then
      row unclear "$name" "$queue"
      return
    fi
    if [ -n "$answer" ]; then
      if [ "$answer" != - ]; then note_job; fi
      row job "$name" "$answer"
      return
    fi
  fi
  if ! { printf '%s\t%s\t%s\n' "$mark" "$name" "$owner" >"$record/submitting"; } 2>/dev/null; then
    row refused "$name" "cannot write in $folder/$record"
    return
  fi
  # In the subshell's place, and its complaints in one file for all: a process and a file less for each job.
  if answer=$(eval "exec $command" 2>"$run_dir/.said" </dev/null 9>&-); then
    # All lines, which wrappers add to: with what core takes for their ends.
    case $answer in *"$newline"* | *"$tab"*) answer=$(printf '%s' "$answer" | tr '\n\t' '\036 ') ;; esac
    note_job
    row job "$name" "$answer"
  else
    row refused "$name" "$(cat "$run_dir/.said")${answer:+ $answer}"
  fi
}

if take_turn 60; then
  lines=$(cat)
  # With one command for all jobs; a folder that cannot be made is found out below.
  set --
  while IFS=$tab read -r name mark attempt folder command; do
    if [ -d "$folder" ]; then set -- "$@" "$folder/attempts/$attempt"; fi
  done <<END
$lines
END
  if [ $# -gt 0 ]; then mkdir -p -- "$@" 2>/dev/null; fi
  while IFS=$tab read -r name mark attempt folder command; do submit; done <<END
$lines
END
  if [ -n "$looked" ]; then rows queue "$queue"; fi
  row end
else
  row busy
fi
