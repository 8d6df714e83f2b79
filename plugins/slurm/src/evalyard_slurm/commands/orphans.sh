# orphans OWNER
owner=$1
if ! queue=$(squeue --noheader --user="$(id -u)" --format='%i|%j|%Z' 2>&1); then
  row failed "$queue"
  exit
fi
printf '%s\n' "$queue" | while IFS='|' read -r id name folder; do
  name=${name##*.}
  case $name in ey-*) ;; *) continue ;; esac
  attempt=${name##*-}
  { IFS=$tab read -r mark _ theirs <"$folder/attempts/$attempt/submitting"; } 2>/dev/null || continue
  if [ "$theirs" = "$owner" ]; then row job "$mark" "$id" "$attempt" "$folder" "$name"; fi
done
row end
