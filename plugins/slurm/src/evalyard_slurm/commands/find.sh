# find RUN_DIR <lines: marks
run_dir=$1
marks=" $(tr '\n' ' ') "

found() {
  folder=${record%/attempts/*}
  printf 'job\t%s\t%s\t%s\t%s\n' "$mark" "$id" "${record##*/}" "$folder"
}

if [ -d "$run_dir" ] && ! take_turn 60; then
  row busy
  exit
fi
for sent in "$run_dir"/*/attempts/*/submitting; do
  record=${sent%/submitting}
  { IFS=$tab read -r mark job_name _ <"$sent"; } 2>/dev/null || continue
  case $marks in *" $mark "*) ;; *) continue ;; esac
  if { IFS=$tab read -r theirs id _ <"$record/submitted"; } 2>/dev/null; then
    if [ "$theirs" = "$mark" ]; then found; fi
  elif ! whereabouts; then
    row failed "$queue"
    exit
  elif [ -n "$id" ]; then
    note_job
    found
  fi
done
row end
