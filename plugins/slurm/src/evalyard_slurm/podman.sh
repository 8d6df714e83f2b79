# A container is no child of ours, so that it would outlive its job: it is removed on every way out of here.
remove() { podman rm --force --time 0 "$name" >/dev/null 2>&1; }
# A second time, as the command can itself be ended by whoever ends this script.
end() {
  trap '' TERM
  podman stop --time "${EVALYARD_GRACE_S:-10}" "$name" >/dev/null 2>&1 ||
    podman stop --time "${EVALYARD_GRACE_S:-10}" "$name" >/dev/null 2>&1
}
trap end TERM
remove # what a node that failed has left
podman run --name "$name" "$@" &
child=$!
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
  wait "$child"
  code=$?
done
trap '' TERM
remove
exit "$code"
