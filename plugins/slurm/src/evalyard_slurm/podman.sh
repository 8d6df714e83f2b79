# A container is no child of ours, so that it would outlive its job: it is removed on every way out of here.
# Whoever ends this script may end its commands as well, so they are given again.
surely() { for try in 1 2 3 4 5 6 7 8 9; do if podman "$@" >/dev/null 2>&1; then return; fi; done; }
remove() { surely rm --force --ignore --time 0 "$name"; }

end() {
  trap '' TERM
  stopping=yes
  if [ -z "$child" ]; then return; fi
  # The container may come only now, and outlive the command that runs it.
  while :; do
    runs=
    if kill -0 "$child" 2>/dev/null; then runs=yes; fi
    surely stop --ignore --time "${EVALYARD_GRACE_S:-10}" "$name"
    if [ -z "$runs" ]; then break; fi
    sleep 0.1
  done
}

child='' stopping=''
trap end TERM
remove # what a node that failed has left
if [ -n "$stopping" ]; then exit 143; fi
podman run --name "$name" "$@" &
child=$!
if [ -n "$stopping" ]; then end; fi
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
  wait "$child"
  code=$?
done
trap '' TERM
remove
exit "$code"
