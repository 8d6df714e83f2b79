# check OUTPUT_DIR <lines: what jobs mount
output_dir=$1
for program in $programs; do
  if ! command -v "$program" >/dev/null 2>&1; then row absent "$program"; fi
done
if ! ask_queue; then
  # Every further question would wait as long as this one.
  row silent "$queue"
  row end
  exit
fi
if ! command -v flock >/dev/null 2>&1; then row absent flock; fi
if [ -n "$output_dir" ]; then
  folder=$output_dir
  while [ ! -e "$folder" ] && [ "$folder" != / ]; do folder=$(dirname -- "$folder"); done
  if [ ! -d "$folder" ]; then
    row folder file "$folder"
  elif [ ! -w "$folder" ] || [ ! -x "$folder" ]; then
    row folder closed "$folder"
  else
    row folder open "$folder"
  fi
fi
while IFS= read -r source; do
  if [ ! -e "$source" ]; then row missing "$source"; fi
done
row end
