# From here on: the same for every container.
ends='' client=''
trap 'ends=yes; end_client' TERM

# The command that waits for a container, not the container.
end_client() { if [ -n "$client" ]; then kill -s KILL "$client" 2>/dev/null; fi; }
give_reason() { printf '%s\n' "$1" >"$EVALYARD_OUTPUT_DIR/.reason"; }
remove_network() { if [ -n "$made_network" ]; then docker network rm "$made_network" >/dev/null 2>&1; fi; }
# A second time, as the command can itself be ended by whoever ends this script.
ask_to_end() { docker kill --signal TERM "$id" || docker kill --signal TERM "$id"; }

# Docker's words without what is for people at a terminal.
first_words() {
  sed -e '/^[0-9a-f]\{64\}$/d' -e '/^WARNING: /d' -e '/^$/d' -e 's/^docker: //' -e 's/^Error response from daemon: //' |
    sed -n 1p
}

if [ -n "${EVALYARD_LAUNCH:-}" ]; then
  # It writes its log itself, so that the log is whole whatever becomes of this script.
  set -- --env EVALYARD_LOG=/evalyard/log "$@"
  stays='--attach stdout --sig-proxy=false'
else
  if ! docker image inspect "$image" >/dev/null 2>&1; then docker pull "$image" || exit 125; fi
  stays=--detach
fi
# An image that runs as somebody else than root could not write here: it runs as whoever these folders belong to.
user=${EVALYARD_IMAGE_USER-$(docker image inspect --format '{{.Config.User}}' "$image" 2>/dev/null)}
case ${user%%:*} in
  '' | 0 | root) ;;
  *) set -- --user "$(id -u):$(id -g)" "$@" ;;
esac

idfile=attempts/$EVALYARD_ATTEMPT/container
words=attempts/$EVALYARD_ATTEMPT/.words
docker run $stays --cidfile "$idfile" "$@" >/dev/null 2>"$words" &
client=$!
if [ -n "$ends" ]; then end_client; fi
wait "$client"
code=$?
if [ -n "$ends" ]; then wait "$client" 2>/dev/null; fi
client='' id=''
read -r id 2>/dev/null <"$idfile"
case $code in 125 | 126 | 127) cat "$words" ;; esac
if [ -z "$id" ]; then
  if [ -n "$ends" ]; then code=143; else give_reason "$(first_words <"$words")"; fi
  remove_network
  exit "$code"
fi
if [ -z "${EVALYARD_LAUNCH:-}" ] && [ "$code" -eq 0 ]; then
  docker logs --follow "$id" &
  code=unknown
fi

state=
while [ "$code" != 0 ] || [ -n "$ends" ]; do
  # The client's code may be its own, and the engine may have gone away, or have been told to stop: only what it says of
  # the container counts.
  state=$(docker container inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}' "$id" 2>&1)
  case $state in
    exited\ * | dead\ *) break ;;
    created\ *) # refused, or asked to end before it had begun, or never begun by an engine that went away
      docker rm --force "$id" >/dev/null 2>&1 # the engine may be about to begin it
      state='exited 143 false'
      [ -z "$ends" ] || break
      reason=$(first_words <"$words")
      give_reason "${reason:-its container was made and never started}"
      remove_network
      exit "$code"
      ;;
    *[Nn]'o such container'*)
      give_reason 'its container was removed by somebody else'
      state='exited 137 false' && break
      ;;
  esac
  if [ -n "$ends" ]; then ask_to_end >/dev/null 2>&1; fi
  docker wait "$id" >/dev/null 2>&1 || sleep 1
done
case $state in exited\ * | dead\ *)
  code=${state#* }
  code=${code%% *}
  ;;
esac
case $state in
  *' 0 '*) ;;
  *' true') give_reason 'out of memory' ;;
  *' 126 '* | *' 127 '*)
    # Launched, what it writes itself is in the log: what Docker has is of whoever could not start it.
    words=$(docker logs --tail 1 "$id" 2>&1)
    if [ -n "${EVALYARD_LAUNCH:-}" ] && [ -n "$words" ]; then give_reason "$words"; fi
    ;;
  *' 137 '*) [ -e artifacts/.reason ] || give_reason 'killed by SIGKILL: by somebody, or for want of memory' ;;
esac

# What a container that was killed could not give back.
if [ "$(id -u)" -ne 0 ] && [ -n "$(find artifacts ! -user "$(id -u)" 2>/dev/null | head -n 1)" ]; then
  docker run --rm --user 0 --network none --entrypoint chown \
    --mount "type=bind,source=$here/artifacts,target=/results" "$image" -R "$(id -u):$(id -g)" /results >/dev/null 2>&1
fi
if [ -z "${EVALYARD_LAUNCH:-}" ]; then
  wait # for the last of its output
  docker rm --force "$id" >/dev/null 2>&1
  remove_network
elif [ "${EVALYARD_KEEP:-all}" = none ] || [ "${EVALYARD_KEEP:-all} $code" = 'failed 0' ]; then
  # Perhaps nobody is there to remove it. It goes once its end is on record: until then it is what tells that end.
  record=attempts/$EVALYARD_ATTEMPT/exit.json
  {
    # Whoever is there is faster, and needs no command for it.
    sleep 2
    while kill -0 "$PPID" && [ ! -e "$record" ]; do sleep 0.2 || sleep 1; done
    if [ "$EVALYARD_KEEP" = none ]; then wanted=.; else wanted='"exit_code": 0, .*"results": true'; fi
    if grep "$wanted" "$record"; then docker rm "$id"; fi
  } >/dev/null 2>&1 &
fi
exit "$code"
