"""`python -m evalyard` is `evalyard`."""

from evalyard.cli.app import main

main()
