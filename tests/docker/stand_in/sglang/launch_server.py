import sys

from stand_in import main

main("sglang", sys.argv[1:])
