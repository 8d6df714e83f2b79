# What Slurm's commands would take from the environment must not change what they are asked. SLURM_CONF names the cluster.
for name in $(env | sed -n -e 's/^\(S[A-Z]*_[A-Za-z0-9_]*\)=.*/\1/p'); do
  case $name in
    SLURM_CONF) ;;
    SLURM_* | SBATCH_* | SQUEUE_* | SACCT_* | SCANCEL_* | SINFO_* | SCONTROL_*) unset "$name" ;;
  esac
done
LC_ALL=C
export LC_ALL
tab=$(printf '\t')
# Not a login shell, so a cluster's own folders may be missing.
if ! command -v squeue >/dev/null 2>&1 && [ -r /etc/profile ]; then
  found=$(. /etc/profile >/dev/null 2>&1; printf '%s' "$PATH")
  if [ -n "$found" ]; then PATH=$found; fi
  export PATH
fi

pause() { sleep 0.3 2>/dev/null || sleep 1; }
clock() { date +%s; }

# A row of the answer: fields between tabs, line breaks and tabs in them made blanks.
row() {
  line=$1
  shift
  for part; do line=$line$tab$(printf '%s' "$part" | tr '\n\t' '  '); done
  printf '%s\n' "$line"
}
