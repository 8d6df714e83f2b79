"""The executor of this machine: host processes, no scheduler."""
