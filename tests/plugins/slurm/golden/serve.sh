#!/bin/sh
# The model server of evalyard run a1b2c3d4 (recipe vllm), for as long as this runs.
set -u
CDPATH= cd -- "$(dirname -- "$0")" || exit 1

# The environment; secrets are in .secrets.env and reach only the process that needs them.
prepare() {
  export PYTHONUNBUFFERED='1'
  export NEMO_EVALUATOR_TELEMETRY_LEVEL='0'
  export HOST='127.0.0.1'
  export EVALYARD_MODEL_ID='m'
  export EVALYARD_CHECKPOINT='/models/m'
  export VLLM_LOG='it'\''s'
}

# What is run.
program() {
cat <<'END_OF_PROGRAM'
trap 'exit 143' TERM
if [ -f "$EVALYARD_JOB_DIR/.secrets.env" ]; then set -a; . "$EVALYARD_JOB_DIR/.secrets.env"; set +a; fi
exec vllm serve "$EVALYARD_CHECKPOINT" --port "$PORT"
END_OF_PROGRAM
}

# What is run after it, however it ended.
epilogue() {
cat <<'END_OF_EPILOGUE'
:
END_OF_EPILOGUE
}

EVALYARD_JOB_DIR=$(pwd)
export EVALYARD_JOB_DIR
reason='' code=1
if ! prepare; then echo "$reason"; exit "$code"; fi
exec sh -c "$(program)"
