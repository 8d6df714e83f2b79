#   started by evalyard (EVALYARD_LAUNCH is set): takes this attempt, or leaves it to whoever has it already
#   started by hand: keeps the previous logs/ and artifacts/ in attempts/<n>/ and is the next attempt

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
say() { printf '%s evalyard: %s\n' "$(now)" "$*"; }

latest_attempt() {
  latest=0
  for started in attempts/*/started.json; do
    number=${started#attempts/}
    number=${number%%/*}
    case $number in *[!0-9]*) continue ;; esac
    if [ "$number" -gt "$latest" ]; then latest=$number; fi
  done
  echo "$latest"
}

# Which machine, which boot of it, which table of processes: a process id means something only there.
# What the shell reads itself costs no process.
host='' boot=''
{ read -r host </proc/sys/kernel/hostname; } 2>/dev/null || host=$(uname -n)
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
processes=$(readlink /proc/self/ns/pid 2>/dev/null)

# A hard link makes the file with its whole content, or fails because somebody else was first.
claim() {
  [ -d "attempts/$1" ] || mkdir -p "attempts/$1" || return 2
  draft=attempts/$1/.started.$$
  printf '{"attempt": %s, "mark": "%s", "by_hand": %s, "pid": %s, "host": "%s", "boot": "%s", "processes": "%s", "started_at": "%s"}\n' \
    "$1" "${EVALYARD_LAUNCH:-}" "$by_hand" "$$" "$host" "$boot" "$processes" "$started_at" >"$draft" || return 2
  ln "$draft" "attempts/$1/started.json" 2>/dev/null
  claimed=$?
  rm -f "$draft"
  return "$claimed"
}

refuse_beside_running() {
  [ -e "attempts/$1/started.json" ] && [ ! -e "attempts/$1/exit.json" ] || return 0
  running=$(sed -n 's/.*"pid": \([0-9]*\).*/\1/p' "attempts/$1/started.json")
  if [ -n "$boot" ] && ! grep -qF "\"boot\": \"$boot\"" "attempts/$1/started.json" &&
    grep -qF "\"host\": \"$host\"" "attempts/$1/started.json"; then
    return 0 # the machine was restarted since
  fi
  if ! grep -qF "\"host\": \"$host\", \"boot\": \"$boot\", \"processes\": \"$processes\"" "attempts/$1/started.json"; then
    [ -z "${EVALYARD_FORCE:-}" ] || return 0
    echo "attempt $1 began on another host or in another container and may still run; if not: EVALYARD_FORCE=1 sh run.sh" >&2
    exit 75
  fi
  case $(command_of "${running:-0}") in
    *run.sh*)
      echo "attempt $1 is still running (process $running): wait for it, or stop it with: kill $running" >&2
      exit 75 ;;
  esac
}

take_attempt() {
  if [ -n "${EVALYARD_LAUNCH:-}" ]; then
    by_hand=false
    attempt=${EVALYARD_ATTEMPT:?must be set beside EVALYARD_LAUNCH}
    if claim "$attempt"; then
      # Revoked before it began; had it begun before that, whoever revoked it would have found it.
      if [ -e "../.revoked/$EVALYARD_LAUNCH" ]; then exit 0; fi
      return
    fi
    [ -e "attempts/$attempt/started.json" ] && exit 0
    echo "cannot start: attempts/$attempt/started.json cannot be made in $(pwd)" >&2
    exit 73
  fi
  by_hand=true
  refuse_beside_running "$(latest_attempt)"
  attempt=$(($(latest_attempt) + 1))
  until claim "$attempt"; do
    [ -e "attempts/$attempt/started.json" ] || { echo "cannot write in $(pwd)" >&2; exit 73; }
    attempt=$((attempt + 1))
  done
}

put_previous_away() {
  [ ! -e exit.json ] || rm -f exit.json
  previous=$((attempt - 1))
  while [ "$previous" -gt 0 ] && [ ! -d "attempts/$previous" ]; do previous=$((previous - 1)); done
  [ "$previous" -gt 0 ] || return 0
  for item in logs artifacts; do
    [ -e "$item" ] || continue
    target=attempts/$previous/$item
    if [ -e "$target" ]; then target=$target.$attempt; fi
    mv "$item" "$target"
  done
}

# All output goes to the log; by hand it is shown as well, and where nobody can see the log (EVALYARD_SHOW).
redirect_output() {
  : >"$log"
  if [ "$by_hand" = false ] && [ -z "${EVALYARD_SHOW:-}" ] || [ -n "${EVALYARD_QUIET:-}" ]; then
    # Appending: a container may write to the same file.
    exec >>"$log" 2>&1
    return
  fi
  pipe=attempts/$attempt/.output
  mkfifo "$pipe" || { exec >"$log" 2>&1; return; }
  exec 3>&1
  tee -i "$log" <"$pipe" >&3 &
  tee=$!
  exec >"$pipe" 2>&1 3>&-
  rm -f "$pipe"
}

stop() {
  signal=${signal:-$1}
  say "SIG$1 received"
  if [ -n "$child" ]; then stop_child; fi
}

# Asks the address $1, with whatever there is to ask with. A key that is in the environment goes along where ps does not
# see it.
ask='
if command -v curl >/dev/null 2>&1; then
  printf "%s\n" "${EVALYARD_ASK_KEY:+header = \"Authorization: Bearer $EVALYARD_ASK_KEY\"}" |
    curl -fs --noproxy "*" -m 5 -o /dev/null -K - "$1"
elif command -v python3 >/dev/null 2>&1; then
  python3 -c "import os, sys, urllib.request as r
key = os.environ.get(\"EVALYARD_ASK_KEY\")
asked = r.Request(sys.argv[1], headers={\"Authorization\": \"Bearer \" + key} if key else {})
r.build_opener(r.ProxyHandler({})).open(asked, timeout=5)" "$1"
else
  # Not by its own -T: with that, the wget of some static builds of busybox crashes.
  if command -v timeout >/dev/null 2>&1; then limit="timeout 5"; else limit=; fi
  # Without the key: it could only be given where everybody sees it.
  http_proxy= https_proxy= $limit wget -q -O /dev/null "$1"
fi'
answers() { eval "$asks"' sh -c "$ask" sh "$1"' </dev/null >/dev/null 2>&1; }

# Sets $who to what a model server is called.
name_server() {
  who='the model server'
  [ "$1" = - ] || who="$who '$1'"
}

# Whether one of the model servers has ended; $who is then that one.
server_ended() {
  while read -r prefix _ _ name _; do
    [ -n "$prefix" ] || continue
    name_server "$name"
    eval "server_pid=\${${prefix}_SERVER_PID:-} server_exit=\${${prefix}_SERVER_EXIT:-}"
    if [ -n "$server_pid" ] && ! kill -0 "$server_pid" 2>/dev/null; then return 0; fi
    if [ -n "$server_exit" ] && [ -e "$server_exit" ]; then return 0; fi
  done <<END
$servers
END
  return 1
}

# Sets $absent to the folder of a model server whose address nobody has told; $who is then that one.
find_absent() {
  absent=
  while read -r prefix folder _ name _; do
    if [ -n "$prefix" ] && [ -z "$absent" ] && eval "[ -z \"\${${prefix}_BASE_URL:-}\" ]"; then
      absent=$folder
      name_server "$name"
    fi
  done <<END
$servers
END
}

await_servers() {
  [ -n "$servers" ] || return 0
  give_up=$(($(date +%s) + ready_timeout))
  while read -r prefix _ health name asks; do
    [ -n "$prefix" ] || continue
    eval "address=\$${prefix}_BASE_URL watched=\$watched\${${prefix}_SERVER_EXIT:-}"
    EVALYARD_ASK_KEY=
    # The key is for the model under test.
    if [ "$name" = - ] && [ -n "${EVALYARD_API_KEY_NAME:-}" ]; then
      eval "EVALYARD_ASK_KEY=\${$EVALYARD_API_KEY_NAME:-}"
      export EVALYARD_ASK_KEY
    fi
    await_server "$name" "$address$health" || return 1
  done <<END
$servers
END
}

await_server() {
  name_server "$1"
  say "waiting up to $ready_timeout s for $who at $2"
  while :; do
    [ -z "$signal" ] || return 1
    # Before it is asked for its health: a stranger on its port would answer for it.
    if server_ended; then
      reason="$who ended before it was ready"
      code=70
      return 1
    fi
    name_server "$1"
    if answers "$2"; then break; fi
    if [ "$(date +%s)" -ge "$give_up" ]; then
      reason="$who was not ready within $ready_timeout s"
      code=71
      return 1
    fi
    if [ -n "$asks" ]; then sleep 1; else pause; fi # elsewhere, each question costs a process or two
  done
  say "$who is ready"
}

watch_servers() {
  while kill -0 $$ 2>/dev/null; do
    if server_ended; then
      kill -s USR1 $$
      return
    fi
    sleep 1
  done
}

run_program() {
  watcher=
  if [ -n "$watched" ]; then
    watch_servers >/dev/null 2>&1 &
    watcher=$!
  fi
  sh -c "$(program)" &
  child=$!
  if [ -n "$signal" ]; then stop_child; fi
  await_child
  child=
  if [ -n "$watcher" ]; then kill "$watcher" 2>/dev/null; fi
  if [ "$code" -ne 0 ] && [ -z "$signal" ] && server_ended; then
    reason="$who ended during the evaluation"
    code=72
  fi
  # A harness that knows why it failed says so in this file.
  if [ "$code" -ne 0 ] && [ -z "$reason" ] && [ -f artifacts/.reason ]; then
    reason=$(head -n 1 artifacts/.reason | LC_ALL=C tr -cd '\040-\176' | tr -d '"\\')
  fi
}

print_end() {
  printf '{"attempt": %s, "mark": "%s", "by_hand": %s, "exit_code": %s, "signal": "%s", "reason": "%s", "results": %s, "started_at": "%s", "ended_at": "%s"}\n' \
    "$attempt" "${EVALYARD_LAUNCH:-}" "$by_hand" "$code" "$signal" "$reason" "$found" "$started_at" "$ended_at"
}

record_end() {
  found=true ended_at=$(now)
  if [ -n "$results" ] && [ ! -e "artifacts/$results" ]; then found=false; fi
  file=attempts/$attempt/exit.json
  print_end >"$file.$$" || return
  # The copy first: whoever sees the record in attempts/ finds exit.json too.
  print_end >"exit.json.$$" && mv -f "exit.json.$$" exit.json
  mv -f "$file.$$" "$file"
}

started_at=$(now)
signal='' reason='' code=0 child='' tee='' watched=''
if [ -z "${EVALYARD_LAUNCH:-}" ]; then
  find_absent
  # One after the other: with that one there, this script begins anew.
  if [ -n "$absent" ]; then exec sh "$absent/with_server.sh" sh "$(pwd)/run.sh"; fi
fi
trap 'stop TERM' TERM
trap 'stop INT' INT
trap 'stop HUP' HUP
trap 'if [ -n "$child" ]; then say "a model server ended"; stop_child; fi' USR1
take_attempt
put_previous_away
mkdir -p logs artifacts
EVALYARD_JOB_DIR=$(pwd)
EVALYARD_OUTPUT_DIR=$EVALYARD_JOB_DIR/artifacts
EVALYARD_ATTEMPT=$attempt
export EVALYARD_JOB_DIR EVALYARD_OUTPUT_DIR EVALYARD_ATTEMPT
redirect_output
say "attempt $attempt of $title$([ "$by_hand" = true ] && echo ' (by hand)')"
# A signal that came before the traps were there may have left only this.
if [ -z "$signal" ] && [ -e "attempts/$attempt/stop" ]; then stop TERM; fi
find_absent
if [ -n "$absent" ]; then
  reason="$who of this job was not started, or nobody told its address"
  code=78
elif prepare && await_servers && [ -z "$signal" ]; then run_program; fi
case $signal in
  TERM) code=143 ;;
  INT) code=130 ;;
  HUP) code=129 ;;
esac
EVALYARD_EXIT_CODE=$code
export EVALYARD_EXIT_CODE
after=$(epilogue)
if [ "$after" != : ]; then sh -c "$after"; fi
# A last line without its end must not run into ours.
if [ -s "$log" ] && [ -n "$(tail -c 1 "$log")" ]; then echo; fi
say "ended with exit code $code${reason:+: $reason}"
record_end
if [ -n "$tee" ]; then
  exec >&- 2>&-
  wait "$tee"
fi
exit "$code"
