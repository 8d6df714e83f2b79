import sys

from stand_in import main  # type: ignore[import-not-found]

main("sglang", sys.argv[1:])
