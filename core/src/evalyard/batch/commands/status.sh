# status <lines: name, number, attempt, folder of the task
handles=$(cat)
row now "$(date +%Y-%m-%dT%H:%M:%S)"
if ! ask_queue "$(printf '%s\n' "$handles" | cut -f 2 | words)"; then
  row failed "$queue"
  exit
fi
rows queue "$queue"

# After the queue: a job that ends now is looked at again, one that has ended has left its files.
while IFS=$tab read -r name id attempt folder; do
  record=$folder/attempts/$attempt
  : "$record"/* # looks into the folder: disks of a network show new files late to those who only ask for a name
  if { IFS= read -r first <"$record/job"; } 2>/dev/null && [ "${first:-$id}" != "$id" ]; then
    printf 'begun\t%s\t%s\n' "$name" "$first"
    id=$first
  fi
  if { IFS= read -r text <"$record/exit.json"; } 2>/dev/null; then
    printf 'exit\t%s\t%s\n' "$name" "$text"
    # The model server ended: what it said last.
    case $text in *'"exit_code": 70,'* | *'"exit_code": 72,'*)
      tail -c 4000 "$folder/deployment/$id/server.log" 2>/dev/null |
        while IFS= read -r text || [ -n "$text" ]; do printf 'server\t%s\t%s\n' "$name" "$text"; done
      ;;
    esac
  fi
  if { IFS= read -r text <"$record/why"; } 2>/dev/null; then printf 'why\t%s\t%s\n' "$name" "$text"; fi
  if [ -e "$record/stop" ]; then printf 'stopped\t%s\n' "$name"; fi
  if { IFS= read -r text <"$record/started.json"; } 2>/dev/null; then printf 'start\t%s\t%s\n' "$name" "$text"; fi
  if { IFS= read -r text <"$folder/artifacts/progress"; } 2>/dev/null; then printf 'progress\t%s\t%s\n' "$name" "$text"; fi
done <<END
$handles
END

if [ -n "$accounting" ]; then
  numbers=$(printf '%s\n' "$handles" |
    while IFS=$tab read -r name id _; do mentioned "$name" || echo "$id"; done | words)
  if [ -n "$numbers" ]; then
    if said=$(accounts 2>&1); then
      rows account "$said"
    elif ! keeps_no_accounts "$said"; then
      row unaccounted "$said"
    fi
  fi
fi
row end
