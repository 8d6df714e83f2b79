ADAPTER_PORT=$((10000 + ${SLURM_JOB_ID:-$$} % 10000))
export ADAPTER_PORT
set --
if nvidia-smi -L >/dev/null 2>&1; then set -- --nv; fi
exec apptainer exec --writable-tmpfs \
  --bind "$EVALYARD_OUTPUT_DIR":/results \
  --bind '/shared/out/run/deployment/.secrets.env:/evalyard/job/.secrets.env:ro' \
  --bind '/shared/out/run/deployment/inside.sh:/evalyard/job/inside.sh:ro' \
  --bind '/models/m:/checkpoint:ro' \
  --env EVALYARD_JOB_DIR=/evalyard/job \
  --env EVALYARD_OUTPUT_DIR=/results \
  "$@" \
  'docker://registry.example:5000/vllm/vllm:2' sh /evalyard/job/inside.sh
