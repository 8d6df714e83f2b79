ADAPTER_PORT=$((10000 + ${SLURM_JOB_ID:-$$} % 10000))
export ADAPTER_PORT
exec srun \
  --overlap \
  --mem=0 \
  --cpu-bind=none \
  --job-name=server \
  --nodes=2 \
  --ntasks=4 \
  --kill-on-bad-exit=1 \
  --wait=5 \
  --label \
  --container-image='registry.example:5000#vllm/vllm:2' \
  --container-mounts="$EVALYARD_OUTPUT_DIR":/results,'/shared/out/run/deployment/.secrets.env:/evalyard/job/.secrets.env:ro','/shared/out/run/deployment/inside.sh:/evalyard/job/inside.sh:ro','/models/m:/checkpoint:ro','/data:/data:ro' \
  --no-container-mount-home \
  --no-container-remap-root \
  --container-env=EVALYARD_CHECKPOINT,EVALYARD_MODEL_ID,HOST,NEMO_EVALUATOR_TELEMETRY_LEVEL,PORT,PYTHONUNBUFFERED,VLLM_LOG,ALL_NODE_IPS,MASTER_IP,NUM_NODES,ADAPTER_PORT,EVALYARD_JOB_DIR,EVALYARD_OUTPUT_DIR \
  sh -c 'PROC_ID=$SLURM_PROCID EVALYARD_JOB_DIR=/evalyard/job EVALYARD_OUTPUT_DIR=/results exec sh /evalyard/job/inside.sh'
