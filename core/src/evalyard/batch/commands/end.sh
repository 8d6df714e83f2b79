# end RUN_DIR [NUMBER ...] <lines: name, mark, number, attempt, folder of the task; `-` for what is not known
# Asks the jobs with these numbers to end; keeps from beginning what was sent and not heard of; tells what the queue says,
# and which jobs have written how they ended.
run_dir=$1
shift

# Keeps what has these marks from being submitted, and from beginning, and tells what was ever about to be.
revoke() {
  if [ ! -d "$run_dir" ]; then return; fi # no script of this run is anywhere
  if ! take_turn 60; then
    row busy
    exit
  fi
  mkdir -p "$run_dir/.revoked" 2>/dev/null
  for mark; do
    if ! { true >"$run_dir/.revoked/$mark"; } 2>/dev/null; then
      row failed "cannot write $run_dir/.revoked"
      exit
    fi
  done
  for sent in "$run_dir"/*/attempts/*/submitting; do
    { IFS=$tab read -r mark name _ <"$sent"; } 2>/dev/null || continue
    case " $* " in *" $mark "*) row sent "$name" ;; esac
  done
}

# What has no time to write down how it ended leaves at least that it was stopped.
leave_word() {
  while IFS=$tab read -r name mark id attempt folder; do
    case " $numbers " in *" $id "*) { true >"$folder/attempts/$attempt/stop"; } 2>/dev/null ;; esac
  done <<END
$lines
END
}

lines=$(cat) unheard=
while IFS=$tab read -r name mark id attempt folder; do
  if [ "$id" = - ]; then unheard="$unheard $mark"; fi
done <<END
$lines
END
if [ -n "$unheard" ]; then revoke $unheard; fi
if [ $# -gt 0 ]; then
  numbers=$*
  leave_word
  said=$(cancel 2>&1) || row uncancelled "$said"
  pause
fi
if [ -n "$unheard" ]; then ask_queue; else ask_queue "$(printf '%s\n' "$lines" | cut -f 3 | words)"; fi || {
  row failed "$queue"
  exit
}
rows queue "$queue"
while IFS=$tab read -r name mark id attempt folder; do
  if [ -e "$folder/attempts/$attempt/exit.json" ]; then row ended "$name"; fi
done <<END
$lines
END
row end
