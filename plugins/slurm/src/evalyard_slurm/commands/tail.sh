# tail FOLDER ATTEMPT ID ROLE OFFSET LIMIT ASK: the first line of the answer tells whether more may be written
folder=$1 attempt=$2 id=$3 role=$4 offset=$5 limit=$6 ask=$7
record=$folder/attempts/$attempt
ended=no
if [ -e "$record/exit.json" ]; then
  ended=yes
elif [ -n "$ask" ]; then
  said=$(squeue --noheader --jobs="$id" --format=%i 2>&1)
  case $?$said in 0 | *'Invalid job id'*) ended=yes ;; esac
fi
if [ "$role" = server ]; then
  log=$folder/deployment/$id/server.log
elif [ -e "$record/logs" ]; then
  log=$record/logs/stdout.log
else
  log=$folder/logs/stdout.log
fi
echo "$ended"
if [ -e "$log" ]; then tail -c "+$((offset + 1))" "$log" | head -c "$limit"; fi
