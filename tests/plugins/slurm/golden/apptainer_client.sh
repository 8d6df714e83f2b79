mkdir -p '/shared/out/cache'
ADAPTER_PORT=$((10000 + ${SLURM_JOB_ID:-$$} % 10000))
export ADAPTER_PORT
set --
if nvidia-smi -L >/dev/null 2>&1; then set -- --nv; fi
exec apptainer exec --writable-tmpfs \
  --bind "$EVALYARD_OUTPUT_DIR":/results \
  --bind '/shared/out/run/smoke/inside.sh:/evalyard/job/inside.sh:ro' \
  --bind '/shared/out/run/smoke/run_config.yml:/evalyard/job/run_config.yml:ro' \
  --bind '/shared/out/run/smoke/.secrets.env:/evalyard/job/.secrets.env:ro' \
  --bind '/shared/out/run/harness:/evalyard/harness:ro' \
  --bind '/shared/out/cache:/evalyard/output/cache' \
  --env EVALYARD_JOB_DIR=/evalyard/job \
  --env EVALYARD_OUTPUT_DIR=/results \
  "$@" \
  'docker://registry.example/harness:1' sh /evalyard/job/inside.sh
