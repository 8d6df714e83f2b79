# From here on: the same for every job. It needs a POSIX shell, and for the way home tar, gzip, base64 and sha256sum.

# A file of the run directory: path below it, mode, text.
put() {
  file=$root/$1
  mkdir -p "${file%/*}" && printf '%s' "$3" >"$file.$$" && chmod "$2" "$file.$$" && mv -f "$file.$$" "$file"
}

# Images and configurations call some folders by fixed names. What is there already, with something in it, stays.
name_folders() {
  [ -z "${EVALYARD_PLACE:-}" ] || return 0
  mkdir -p "$place" "${EVALYARD_STORAGE:-$place/lasting}" "$root/harness"
  for pair in "/results=$home/artifacts" "$place/job=$home" "$place/harness=$root/harness" \
    "$place/output=${EVALYARD_STORAGE:-$place/lasting}"; do
    rmdir "${pair%%=*}" 2>/dev/null
    ln -sfn "${pair#*=}" "${pair%%=*}" 2>/dev/null || echo "evalyard: ${pair%%=*} cannot be made; use \$EVALYARD_OUTPUT_DIR" >&2
  done
}

stop() { if [ -n "$child" ]; then kill -s TERM "$child" 2>/dev/null; fi; }

watch_time() {
  exec >/dev/null 2>&1 # not by the caller: then this shell would keep the log open
  give_up=$(($(date +%s) + timeout))
  while kill -0 "$child" 2>/dev/null; do
    if [ "$(date +%s)" -ge "$give_up" ]; then
      : >"$home/.late"
      kill -s TERM "$child"
      while [ "$grace" -gt 0 ] && kill -0 "$child" 2>/dev/null; do
        sleep 1
        grace=$((grace - 1))
      done
      for pid in $(family "$child" | sed 1d); do kill -s KILL "$pid" 2>/dev/null; done
      return
    fi
    sleep 1
  done
}

# One line of a log may not be long, and a log service may leave lines out: each is numbered, and the whole has a sum.
send_home() {
  count=0 sum=-
  archive=$home/.home.tar.gz
  cd "$home" || return
  tar -cf - "$@" 2>/dev/null | gzip -c >"$archive" || return
  if [ "$(wc -c <"$archive")" -gt "$limit" ]; then return 1; fi
  sum=$(sha256sum <"$archive") || return
  sum=${sum%% *}
  base64 <"$archive" | tr -d '\n' | fold -w 3000 >"$archive.txt" && echo >>"$archive.txt" || return
  while read -r line; do
    count=$((count + 1))
    printf '%s %s %s\n' "$prefix" "$count" "$line"
  done <"$archive.txt"
}

place=${EVALYARD_PLACE:-/evalyard}
root=${EVALYARD_STORAGE:-$place}/$run
home=$root/$folder
prefix="evalyard-home $EVALYARD_LAUNCH"
child=''
trap stop TERM INT HUP
if ! unpack; then
  echo "evalyard: cannot write in $root: the job needs an image or a storage where it can" >&2
  exit 73
fi
mkdir -p "$home/artifacts"
name_folders
EVALYARD_SHOW=yes sh "$home/run.sh" &
child=$!
if [ "$timeout" -gt 0 ]; then watch_time & fi
await_child
child=
end=$(cat "$home/attempts/$EVALYARD_ATTEMPT/exit.json" 2>/dev/null)
late=on-time
if [ -e "$home/.late" ]; then late=late; fi
what=all
if ! send_home artifacts logs "attempts/$EVALYARD_ATTEMPT"; then
  what=part
  # Not even that: only how it ended.
  if [ -z "$results" ] || ! send_home "artifacts/$results" "attempts/$EVALYARD_ATTEMPT"; then what=none sum=- count=0; fi
fi
rm -f "$home/.home.tar.gz" "$home/.home.tar.gz.txt"
printf '%s end %s %s %s %s %s\n' "$prefix" "$sum" "$count" "$what" "$late" "${end:-{\}}"
case $end in
  *'"exit_code": 0, '*'"results": true'*) exit 0 ;;
esac
if [ "$code" -eq 0 ]; then code=1; fi
exit "$code"
