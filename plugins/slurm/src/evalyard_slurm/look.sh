# look SECONDS OUTPUT_DIR RUNTIME HOST PORT [FLAGS OF SRUN ...] <lines: image or program, its name
# Looks at the cluster from one of its nodes, if one is free within SECONDS. Leaves nothing.
patience=$1 folder=$2 runtime=$3 host=$4 port=$5
shift 5
while [ ! -e "$folder" ] && [ "$folder" != / ]; do folder=$(dirname -- "$folder"); done
sign=$folder/.evalyard-look-$$
{ echo "$$" >"$sign"; } 2>/dev/null || sign=
trap 'if [ -n "$sign" ]; then rm -f -- "$sign"; fi' EXIT

on_the_node=$(cat <<'END'
folder=$1 sign=$2 runtime=$3 host=$4 port=$5
row() { printf '%s' "$1"; shift; for part; do printf '\t%s' "$(printf '%s' "$part" | tr '\n\t' '  ')"; done; echo; }
row node "${SLURMD_NODENAME:-$(hostname)}"
if [ -n "$sign" ]; then
  # Disks of a network may show a new file late.
  for pause in 1 2 4 ''; do
    : "$folder"/.*
    if [ -e "$sign" ] || [ -z "$pause" ]; then break; fi
    sleep "$pause"
  done
  if [ ! -e "$sign" ]; then row unseen; elif [ ! -w "$folder" ]; then row closed; else row shared; fi
fi
case $runtime in
  podman | apptainer)
    if said=$("$runtime" --version 2>&1); then row runtime "$said"; else row bare "$said"; fi
    ;;
  pyxis)
    if srun --help 2>/dev/null | grep -q -e --container-image; then row runtime pyxis
    else row bare 'its srun knows no --container-image'; fi
    ;;
esac
while IFS=$(printf '\t') read -r kind name; do
  case $kind:$name:$runtime in
    program:*) if command -v "$name" >/dev/null 2>&1; then row there "$name"; else row missing "$name"; fi ;;
    image:/*) if [ -r "$name" ]; then row there "$name"; else row unreadable "$name"; fi ;;
    image:*:podman) if podman image exists "$name" >/dev/null 2>&1; then row there "$name"; else row away "$name"; fi ;;
  esac
done <<LINES
$6
LINES
if [ -n "$host" ]; then
  if said=$(timeout 10 bash -c ': <>"/dev/tcp/$1/$2"' bash "$host" "$port" 2>&1); then row reached; else
    row unreached "$(printf '%s\n' "$said" | sed -n -e 's/^bash: [^:]*: //p' | head -n 1)"
  fi
fi
row looked
END
)
lines=$(cat)
# As long again for the look itself, and for what ends it.
timeout -k 5 $((patience + 40)) srun --quiet --immediate="$patience" --time=1 --nodes=1 --ntasks=1 --job-name=evalyard-look \
  --input=none --chdir=/ "$@" bash -lc "$on_the_node" bash "$folder" "$sign" "$runtime" "$host" "$port" "$lines" 2>&1 ||
  row blind "$?"
row end
