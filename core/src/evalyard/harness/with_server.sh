#!/bin/sh
# Runs a command while the model server of this folder serves: sh with_server.sh COMMAND [ARG ...]
# The command sees @VARIABLE@_BASE_URL. The server ends with it.
CDPATH= cd -- "$(dirname -- "$0")" || exit 1
PORT=${@VARIABLE@_PORT:-@PORT@}
latest=0
for started in attempts/*/started.json; do
  number=${started#attempts/}
  number=${number%%/*}
  if [ -e "$started" ] && [ "$number" -gt "$latest" ]; then latest=$number; fi
done
@VARIABLE@_BASE_URL=http://@HOST@:$PORT
@VARIABLE@_SERVER_EXIT=$(pwd)/attempts/$((latest + 1))/exit.json
export PORT @VARIABLE@_BASE_URL @VARIABLE@_SERVER_EXIT

@BEFORE@command='' server='' stopping=''
stop() {
  stopping=yes
  if [ -n "$command" ]; then kill -s TERM "$command" 2>/dev/null; fi
}
trap stop TERM INT HUP
(EVALYARD_QUIET=1 exec sh ./run.sh) &
server=$!
# It may refuse to begin, beside another one that runs: then no exit file says so.
@VARIABLE@_SERVER_PID=$server
export @VARIABLE@_SERVER_PID
"$@" &
command=$!
if [ -n "$stopping" ]; then stop; fi
wait "$command"
code=$?
while kill -0 "$command" 2>/dev/null; do
  wait "$command"
  code=$?
done
kill -s TERM "$server" 2>/dev/null
wait "$server"
@AFTER@exit "$code"
