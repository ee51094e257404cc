"""`python -m evalhaven` is the command line."""

from evalhaven.cli.main import main

main()
