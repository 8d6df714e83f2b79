# orphans
if queue=$(list_folders 2>&1) || knows_none "$queue"; then
  rows queue "$queue"
  row end
else
  row failed "$queue"
fi
