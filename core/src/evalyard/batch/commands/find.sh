# find RUN_DIR <lines: marks
run_dir=$1
marks=" $(tr '\n' ' ') "

found() { row job "$mark" "$answer" "${record##*/}" "${record%/attempts/*}"; }

if [ -d "$run_dir" ] && ! take_turn 60; then
  row busy
  exit
fi
for sent in "$run_dir"/*/attempts/*/submitting; do
  record=${sent%/submitting}
  { IFS=$tab read -r mark name _ <"$sent"; } 2>/dev/null || continue
  case $marks in *" $mark "*) ;; *) continue ;; esac
  if { IFS=$tab read -r theirs answer _ <"$record/submitted"; } 2>/dev/null; then
    if [ "$theirs" = "$mark" ]; then
      begun
      found
    fi
  elif ! whereabouts; then
    row failed "$queue"
    exit
  elif [ -n "$answer" ]; then
    if [ "$answer" != - ]; then note_job; fi
    found
  fi
done
if [ -n "$looked" ]; then rows queue "$queue"; fi
row end
