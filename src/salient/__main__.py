"""`python -m salient` is the command line."""

from salient.interfaces.cli import main

main()
