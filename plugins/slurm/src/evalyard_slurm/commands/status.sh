# status <lines: name, id, attempt, folder of the task
handles=$(cat)

# The numbers of standard input, each once, with commas.
listed() { sort -u | tr '\n' ',' | sed 's/,$//'; }

ids=$(printf '%s\n' "$handles" | cut -f 2 | listed)
queue=$(squeue --noheader --states=all --jobs="$ids" --format='%i|%T|%r|%e|%j' 2>&1)
code=$?
case $queue in *'Invalid job id'*) code=0 queue= ;; esac # Slurm has forgotten all of them
row now "$(date +%Y-%m-%dT%H:%M:%S)"
if [ "$code" -ne 0 ]; then
  row failed "$queue"
  exit
fi
if [ -n "$queue" ]; then printf '%s\n' "$queue" | sed "s/^/queue$tab/"; fi

# After the queue: a job that ends now is looked at again, one that has ended has left its files.
while IFS=$tab read -r name id attempt folder; do
  record=$folder/attempts/$attempt
  : "$record"/* # looks into the folder: disks of a network show new files late to those who only ask for a name
  if { IFS= read -r text <"$record/exit.json"; } 2>/dev/null; then
    printf 'exit\t%s\t%s\n' "$name" "$text"
    # The model server ended: what it said last.
    case $text in *'"exit_code": 70,'* | *'"exit_code": 72,'*)
      row server "$name" "$(tail -c 4000 "$folder/deployment/$id/server.log" 2>/dev/null |
        sed -e 's/^[0-9]*: //' -e '/^[[:space:]]*$/d' -e '/^srun: /d' -e '/^slurmstepd-[^ ]*: /d' | tail -n 1)"
      ;;
    esac
  fi
  if { IFS= read -r text <"$record/why"; } 2>/dev/null; then printf 'why\t%s\t%s\n' "$name" "$text"; fi
  if { IFS= read -r text <"$record/started.json"; } 2>/dev/null; then printf 'start\t%s\t%s\n' "$name" "$text"; fi
  if { IFS= read -r text <"$folder/artifacts/progress"; } 2>/dev/null; then printf 'progress\t%s\t%s\n' "$name" "$text"; fi
done <<END
$handles
END

known=$(printf '%s\n' "$queue" | cut -d '|' -f 1 | tr '\n' ' ')
forgotten=$(printf '%s\n' "$handles" | cut -f 2 | while read -r id; do
  case " $known " in *" $id "*) ;; *) echo "$id" ;; esac
done | listed)
if [ -n "$forgotten" ]; then
  accounts=$(sacct --noheader --parsable2 --allocations --jobs="$forgotten" \
    --format=JobIDRaw,State,ExitCode,End,JobName 2>&1)
  code=$?
  case $accounts in
    *'accounting storage is disabled'*) ;;
    *)
      if [ "$code" -ne 0 ]; then
        row unaccounted "$accounts"
      elif [ -n "$accounts" ]; then
        printf '%s\n' "$accounts" | sed "s/^/account$tab/"
      fi
      ;;
  esac
fi
row end
