# unpack RUN_DIR [MOUNT SOURCE ...] <a tar stream
run_dir=$1
shift
if ! said=$(mkdir -p -- "$run_dir" 2>&1); then
  row refused "$said"
  row end
  exit
fi
if ! said=$(tar -x -p -o -f - -C "$run_dir" 2>&1); then
  row refused "$said"
  row end
  exit
fi
for source; do
  if [ ! -e "$source" ]; then row missing "$source"; fi
done
# A convenience, unless it is somebody's own file.
latest=${run_dir%/*}/latest
if [ -L "$latest" ] || [ ! -e "$latest" ]; then
  ln -s "${run_dir##*/}" "$latest.$$" 2>/dev/null && mv -f -T "$latest.$$" "$latest" 2>/dev/null || rm -f "$latest.$$"
fi
row end
