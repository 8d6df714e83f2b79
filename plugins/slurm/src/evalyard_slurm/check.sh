# check OUTPUT_DIR [FLAGS OF SBATCH ...] <lines: what jobs mount
output_dir=$1
shift
for program in sbatch squeue scancel; do
  if place=$(command -v "$program" 2>/dev/null); then
    row program "$program" "$place"
  else
    row absent "$program"
  fi
done
if said=$(squeue --version 2>&1); then row version "$said"; fi
if command -v squeue >/dev/null 2>&1; then
  if ! said=$(squeue --noheader --user="$(id -u)" --format=%i 2>&1); then
    # Every further question would wait as long as this one.
    row silent "$said"
    row end
    exit
  fi
fi
if command -v flock >/dev/null 2>&1; then :; else row absent flock; fi
if [ -n "$output_dir" ]; then
  folder=$output_dir
  while [ ! -e "$folder" ] && [ "$folder" != / ]; do folder=$(dirname -- "$folder"); done
  if [ ! -d "$folder" ]; then
    row folder file "$folder"
  elif [ ! -w "$folder" ] || [ ! -x "$folder" ]; then
    row folder closed "$folder"
  else
    row folder open "$folder" "$(df -P -k "$folder" 2>/dev/null | sed -n '2s/.*[^0-9]\([0-9][0-9]*\)  *[0-9][0-9]*%.*/\1/p')" \
      "$(stat -f -c %T "$folder" 2>/dev/null)"
  fi
fi
while IFS= read -r source; do
  if [ ! -e "$source" ]; then row missing "$source"; fi
done
if [ $# -gt 0 ] && command -v sbatch >/dev/null 2>&1; then
  partition=$(for flag; do case $flag in --partition=*) echo "${flag#*=}" ;; esac; done)
  # It asks for numbers of jobs and makes none.
  if said=$(printf '#!/bin/sh\n' | sbatch --test-only --export=NONE "$@" 2>&1); then
    row taken "$said"
  else
    row refused "$said"
    row nodes "$(sinfo --noheader --format=%T ${partition:+"--partition=$partition"} 2>/dev/null | sort -u | tr '\n' ' ')"
  fi
  row partition "$(scontrol show partition ${partition:+"$partition"} 2>/dev/null | tr '\n' ' ')"
fi
row end
