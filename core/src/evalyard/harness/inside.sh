# What a container runs. Its end is the end of the container, and its exit code the container's.

stop() {
  [ -z "$stopping" ] || return
  stopping=1
  if [ -n "$child" ]; then stop_child; fi
}

# What root made in folders of somebody else becomes theirs.
give_back() {
  [ "$(id -u)" = 0 ] || return 0
  eval "set -- $folders"
  for folder; do
    owner=$(ls -nd "$folder" | { read -r _ _ user group _ && echo "$user:$group"; })
    if [ "$owner" != 0:0 ]; then chown -R "$owner" "$folder"; fi
  done
}

child='' stopping='' code=0
trap stop TERM INT HUP
# Written from in here, the log is whole whatever becomes of those outside.
if [ -n "${EVALYARD_LOG:-}" ]; then exec >>"$EVALYARD_LOG" 2>&1; fi
sh -c "$(program)" &
child=$!
if [ -n "$stopping" ]; then stop_child; fi
await_child
child=
if [ -n "$stopping" ]; then
  if [ "$code" -eq 0 ]; then code=143; fi
  if [ ! -e "$EVALYARD_OUTPUT_DIR/.reason" ]; then
    echo 'its container was stopped' >"$EVALYARD_OUTPUT_DIR/.reason"
  fi
fi
EVALYARD_EXIT_CODE=$code
export EVALYARD_EXIT_CODE
after=$(epilogue)
if [ "$after" != : ]; then sh -c "$after"; fi
give_back
exit "$code"
