mkdir -p '/shared/out/cache'
ADAPTER_PORT=$((10000 + ${SLURM_JOB_ID:-$$} % 10000))
export ADAPTER_PORT
exec srun \
  --overlap \
  --mem=0 \
  --cpu-bind=none \
  --job-name=evaluation \
  --nodes=1 \
  --ntasks=1 \
  --nodelist="$SLURMD_NODENAME" \
  --container-image='registry.example#harness:1' \
  --container-mounts="$EVALYARD_OUTPUT_DIR":/results,'/shared/out/run/smoke/inside.sh:/evalyard/job/inside.sh:ro','/shared/out/run/smoke/run_config.yml:/evalyard/job/run_config.yml:ro','/shared/out/run/smoke/.secrets.env:/evalyard/job/.secrets.env:ro','/shared/out/run/harness:/evalyard/harness:ro','/shared/out/cache:/evalyard/output/cache' \
  --container-mount-home \
  --no-container-remap-root \
  --container-env=EVALYARD_API_KEY_NAME,EVALYARD_ENDPOINT_TYPE,EVALYARD_ENDPOINT_URL,EVALYARD_MODEL_ID,EVALYARD_TASK,NEMO_EVALUATOR_TELEMETRY_LEVEL,PYTHONUNBUFFERED,ADAPTER_PORT,EVALYARD_JOB_DIR,EVALYARD_OUTPUT_DIR \
  sh -c 'PROC_ID=$SLURM_PROCID EVALYARD_JOB_DIR=/evalyard/job EVALYARD_OUTPUT_DIR=/results exec sh /evalyard/job/inside.sh'
