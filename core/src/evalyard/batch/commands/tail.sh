# tail FOLDER ATTEMPT NUMBER ROLE OFFSET LIMIT ASK: after the last row, what is in the log
folder=$1 attempt=$2 id=$3 role=$4 offset=$5 limit=$6 ask=$7
record=$folder/attempts/$attempt
if [ -e "$record/exit.json" ]; then
  row ended
elif [ -n "$ask" ] && ask_queue "$id"; then
  row asked
  rows queue "$queue"
fi
if [ "$role" = server ]; then
  log=$folder/deployment/$id/server.log
elif [ -e "$record/logs" ]; then
  log=$record/logs/stdout.log
else
  log=$folder/logs/stdout.log
fi
row end
if [ -e "$log" ]; then tail -c "+$((offset + 1))" "$log" | head -c "$limit"; fi
