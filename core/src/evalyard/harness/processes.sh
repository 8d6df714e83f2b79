# ---------------------------------------------------------------------------------------------------------------------
# From here on: the machinery, the same for every task and server. It needs nothing but a POSIX shell.

pause() { sleep 0.2 2>/dev/null || sleep 1; }

# Bare systems have no ps; Linux tells all the same.
children() {
  if [ -r /proc/self/stat ]; then
    sed -n "s/^\\([0-9]*\\) (.*) [A-Za-z] $1 .*/\\1/p" /proc/[0-9]*/stat 2>/dev/null
  else
    ps -A -o ppid= -o pid= 2>/dev/null | while read -r parent pid; do
      if [ "$parent" = "$1" ]; then echo "$pid"; fi
    done
  fi
}

command_of() {
  if [ -r /proc/self/stat ]; then tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline"; else ps -o args= -p "$1" 2>/dev/null; fi
}

# A process and all that it started, itself first.
family() {
  echo "$1"
  for member in $(children "$1"); do family "$member"; done
}

# Whether a process is at most two seconds old.
is_young() {
  if [ -r /proc/self/stat ]; then
    born=$(sed -n 's/.*) \([^ ]* \)\{19\}\([0-9]*\) .*/\2/p' "/proc/$1/stat" 2>/dev/null)
    read -r uptime _ </proc/uptime
    age=$((${uptime%%.*} - ${born:-0} / 100))
    [ "$age" -ge 0 ] && [ "$age" -le 2 ]
  else
    case $(ps -o etime= -p "$1" 2>/dev/null | tr -d ' ') in
      0:0[0-2] | 00:0[0-2]) return 0 ;;
    esac
    return 1
  fi
}

stop_child() {
  asked=" $(family "$child" | tr '\n' ' ')"
  for pid in $asked; do kill -s TERM "$pid" 2>/dev/null; done
  # A process can lose a signal at its very start, and one that was started meanwhile got none. What is that young has
  # nothing to flush yet and is asked once more.
  pause
  for pid in $asked; do
    if is_young "$pid"; then kill -s TERM "$pid" 2>/dev/null; fi
  done
  for pid in $(children "$child"); do
    case $asked in *" $pid "*) ;; *) kill -s TERM "$pid" 2>/dev/null ;; esac
  done
}

# A trap interrupts `wait`, so wait until the process is really gone; `wait` then still knows its code.
await_child() {
  wait "$child"
  code=$?
  while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
  done
}

