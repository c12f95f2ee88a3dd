"""The command line, as `salient` and as `python -m salient`."""

import sys


def main() -> None:
    """Import and run it; Ctrl-C in the second that the first takes ends without a traceback."""
    try:
        from salient.interfaces import cli
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
