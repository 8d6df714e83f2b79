# submit RUN_DIR OWNER <lines: name, mark, attempt, folder of the task, name for Slurm
run_dir=$1 owner=$2
newline='
'

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
  if { IFS=$tab read -r theirs id _ <"$record/submitted"; } 2>/dev/null; then
    if [ "$theirs" = "$mark" ]; then row job "$name" "$id"; else row refused "$name" 'somebody else has this attempt'; fi
    return
  fi
  if [ -e "$record/submitting" ]; then
    if ! whereabouts; then
      row unclear "$name" "$queue"
      return
    fi
    if [ -n "$id" ]; then
      note_job
      row job "$name" "$id"
      return
    fi
  fi
  if ! { printf '%s\t%s\t%s\n' "$mark" "$job_name" "$owner" >"$record/submitting"; } 2>/dev/null; then
    row refused "$name" "cannot write in $folder/$record"
    return
  fi
  id=$(sbatch --parsable --job-name="$job_name" job.sbatch "$attempt" 2>"$record/said" </dev/null)
  id=${id##*"$newline"}
  id=${id%%;*}
  case $id in
    '' | *[!0-9]*) row refused "$name" "$(cat "$record/said")" ;;
    *)
      note_job
      printf 'job\t%s\t%s\n' "$name" "$id"
      ;;
  esac
}

if take_turn 60; then
  lines=$(cat)
  # With one command for all jobs; a folder that cannot be made is found out below.
  set --
  while IFS=$tab read -r name mark attempt folder job_name; do
    if [ -d "$folder" ]; then set -- "$@" "$folder/attempts/$attempt"; fi
  done <<END
$lines
END
  if [ $# -gt 0 ]; then mkdir -p -- "$@" 2>/dev/null; fi
  while IFS=$tab read -r name mark attempt folder job_name; do submit; done <<END
$lines
END
  row end
else
  row busy
fi
