# end RUN_DIR SECONDS <lines: name, mark, id, attempt, folder of the task; `-` for what is not known
# Asks jobs to end. With SECONDS > 0 it also waits that long for them to be gone, and keeps from beginning what was sent
# and not heard of.
run_dir=$1 patience=$2

# Which of the jobs $1 have not ended, as id|name; nothing of the others.
live() {
  said=$(squeue --noheader --jobs="$1" --format='%i|%j' 2>&1)
  code=$?
  case $said in *'Invalid job id'*) code=0 said= ;; esac
  if [ "$code" -ne 0 ]; then
    row failed "$said"
    exit
  fi
}

# Numbers are given again when a controller loses its memory: a job is ours if it also has our name.
ours() {
  printf '%s\n' "$said" | while IFS='|' read -r id name; do
    case " $jobs " in *" $id|${name##*.} "*) echo "$id" ;; esac
  done
}

# The jobs that have written how they ended.
finished() {
  printf '%s\n' "$lines" | while IFS=$tab read -r name mark id attempt folder; do
    if [ -e "$folder/attempts/$attempt/exit.json" ]; then echo "$id"; fi
  done
}

revoke() {
  if [ ! -d "$run_dir" ]; then return; fi # no script of this run is anywhere
  if ! take_turn 60; then
    row busy
    exit
  fi
  if ! { mkdir -p "$run_dir/.revoked" && : >"$run_dir/.revoked/$mark"; } 2>/dev/null; then
    row failed "cannot write $run_dir/.revoked"
    exit
  fi
  for sent in "$run_dir"/*/attempts/*/submitting; do
    { IFS=$tab read -r theirs job_name _ <"$sent"; } 2>/dev/null || continue
    if [ "$theirs" != "$mark" ]; then continue; fi
    record=${sent%/submitting}
    if ! whereabouts; then
      row failed "$queue"
      exit
    fi
    if [ -n "$id" ]; then jobs="$jobs $id|$name"; fi
  done
}

lines=$(cat) jobs=
while IFS=$tab read -r name mark id attempt folder; do
  if [ "$id" = - ]; then revoke; else jobs="$jobs $id|$name"; fi
done <<END
$lines
END
ids=$(for job in $jobs; do echo "${job%%|*}"; done | tr '\n' ',')
left= asked=
if [ -n "$ids" ]; then
  live "$ids"
  left=$(ours)
fi
began=$(clock)
waited=0
while [ -n "$left" ]; do
  due=
  # One that has its result is about to be gone by itself.
  spared=
  if [ "$patience" -gt 0 ] && [ "$waited" -lt 10 ]; then spared=$(finished | tr '\n' ' '); fi
  for id in $left; do
    case " $asked $spared " in *" $id "*) ;; *) due="$due $id" ;; esac
  done
  if [ -n "$due" ]; then
    said=$(scancel $due 2>&1)
    code=$?
    case $said in *'Unable to contact'* | *'Socket timed out'*) row failed "$said" && exit ;; esac
    asked="$asked $due"
  fi
  if [ "$waited" -ge "$patience" ]; then break; fi
  pause
  waited=$(($(clock) - began))
  live "$ids"
  left=$(ours)
done
if [ "$patience" -gt 0 ]; then for id in $left; do row left "$id"; done; fi
row end
