# From here on: the same for every container.
ends=
trap 'ends=yes' TERM

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
  set -- --env EVALYARD_LOG=/evalyard/log "$@"
elif ! docker image inspect "$image" >/dev/null 2>&1; then
  docker pull "$image" || exit 125
fi
# An image that runs as somebody else than root could not write here: it runs as whoever these folders belong to.
user=${EVALYARD_IMAGE_USER-$(docker image inspect --format '{{.Config.User}}' "$image" 2>/dev/null)}
case ${user%%:*} in
  '' | 0 | root) ;;
  *) set -- --user "$(id -u):$(id -g)" "$@" ;;
esac

idfile=attempts/$EVALYARD_ATTEMPT/container
said=$(docker run --detach --cidfile "$idfile" "$@" 2>&1)
code=$?
id=$(cat "$idfile" 2>/dev/null)
lost=
if [ "$code" -ne 0 ] && [ -z "$ends" ]; then
  printf '%s\n' "$said"
  lost=$(printf '%s\n' "$said" | first_words)
  # The engine may have gone away just now, and the container have begun all the same: then its end tells.
  if [ -z "$id" ] || docker rm --force "$id" >/dev/null 2>&1; then
    give_reason "$lost"
    remove_network
    exit "$code"
  fi
fi
if [ -z "$id" ]; then
  remove_network
  exit 143
fi

# Launched, it writes its log itself, so that the log is whole whatever becomes of this script.
if [ -z "${EVALYARD_LAUNCH:-}" ]; then docker logs --follow "$id" & fi

state=
while :; do
  if [ -n "$ends" ]; then ask_to_end >/dev/null 2>&1; fi
  code=$(docker wait "$id" 2>/dev/null)
  # Of one that never began it says 0 as well.
  if [ "$code" = 0 ] && [ -z "$ends$lost" ]; then break; fi
  # The engine may have gone away, or have been told to stop: only what it says of the container counts.
  state=$(docker container inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}' "$id" 2>&1)
  case $state in
    exited\ * | dead\ *) break ;;
    created\ *) # asked to end before it had begun, or never begun by an engine that went away
      if [ -z "$ends" ]; then give_reason "$lost"; fi
      docker rm --force "$id" >/dev/null 2>&1 # the engine may be about to begin it
      state='exited 143 false' && break
      ;;
    *[Nn]'o such container'*)
      give_reason 'its container was removed by somebody else'
      state='exited 137 false' && break
      ;;
  esac
  sleep 1
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
elif [ "${EVALYARD_KEEP:-all}" != all ]; then
  # Perhaps nobody is there to remove it. It goes once its end is on record: until then it is what tells that end.
  record=attempts/$EVALYARD_ATTEMPT/exit.json
  {
    while kill -0 "$PPID" && [ ! -e "$record" ]; do sleep 0.2 || sleep 1; done
    if [ "$EVALYARD_KEEP" = none ]; then wanted=.; else wanted='"exit_code": 0, .*"results": true'; fi
    if grep "$wanted" "$record"; then docker rm "$id"; fi
  } >/dev/null 2>&1 &
fi
exit "$code"
