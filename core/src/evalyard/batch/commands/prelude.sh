# What the scheduler's commands would take from the environment must not change what they are asked.
for name in $(env | sed -n -e 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
  if is_own "$name"; then unset "$name"; fi
done
LC_ALL=C
export LC_ALL
tab=$(printf '\t')
newline='
'
# Not a login shell, so a cluster's own folders may be missing.
if ! command -v "${programs%% *}" >/dev/null 2>&1 && [ -r /etc/profile ]; then
  found=$(. /etc/profile >/dev/null 2>&1; printf '%s' "$PATH")
  if [ -n "$found" ]; then PATH=$found; fi
  export PATH
fi

pause() { sleep 0.3 2>/dev/null || sleep 1; }
clock() { date +%s; }

# $1 on one line and without tabs, as $flat. What is so already, as nearly all is, costs no process.
flatten() {
  flat=$1
  case $flat in *"$newline"* | *"$tab"*) flat=$(printf '%s' "$flat" | tr '\n\t' '  ') ;; esac
}

# A row of the answer: fields between tabs, line breaks and tabs in them made blanks.
row() {
  line=$1
  shift
  for part; do
    flatten "$part"
    line=$line$tab$flat
  done
  printf '%s\n' "$line"
}

# Rows called $1 of what a program printed, one for each line, and at least one.
rows() { printf '%s\n' "$2" | sed "s/^/$1$tab/"; }

# Standard input's lines, each once, as words on one line.
words() { sort -u | tr '\n' ' ' | sed 's/ $//'; }

# The words of $numbers between commas.
commas() { printf '%s' "$numbers" | tr ' ' ','; }

# What the queue says, complaints among it, as $queue; fails when it does not answer. With $1: of these numbers only.
ask_queue() {
  if [ $# -gt 0 ]; then
    numbers=$1
    queue=$(list_of 2>&1)
  else
    queue=$(list 2>&1)
  fi || knows_none "$queue"
}

# Whether the queue said something of the job called $1: our names are nobody else's.
mentioned() { case $queue in *"$1" | *"$1"[!0-9]*) return 0 ;; *) return 1 ;; esac; }
