ADAPTER_PORT=$((10000 + ${SLURM_JOB_ID:-$$} % 10000))
export ADAPTER_PORT
name='ey-a1b2c3d4-server'-${SLURM_JOB_ID:-by-hand-$$}${PROC_ID:+-$PROC_ID}
set -- --network host --ipc host --user 0:0 --log-driver none \
  --timeout 3720 \
  --volume "$EVALYARD_OUTPUT_DIR":/results \
  --volume '/shared/out/run/deployment/.secrets.env:/evalyard/job/.secrets.env:ro' \
  --volume '/shared/out/run/deployment/inside.sh:/evalyard/job/inside.sh:ro' \
  --volume '/models/m:/checkpoint:ro' \
  --env EVALYARD_CHECKPOINT \
  --env EVALYARD_MODEL_ID \
  --env HOST \
  --env NEMO_EVALUATOR_TELEMETRY_LEVEL \
  --env PORT \
  --env PYTHONUNBUFFERED \
  --env VLLM_LOG \
  --env ALL_NODE_IPS \
  --env MASTER_IP \
  --env NUM_NODES \
  --env ADAPTER_PORT \
  --env PROC_ID \
  --env EVALYARD_JOB_DIR=/evalyard/job \
  --env EVALYARD_OUTPUT_DIR=/results \
  --entrypoint sh 'registry.example:5000/vllm/vllm:2' /evalyard/job/inside.sh
if [ -d "${HOME:-}" ] && [ "$HOME" != / ]; then set -- --volume "$HOME:$HOME" "$@"; fi
if nvidia-smi -L >/dev/null 2>&1; then set -- --device nvidia.com/gpu=all "$@"; fi

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
