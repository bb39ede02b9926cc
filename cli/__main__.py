"""`python -m fixstream.cli` is the `fixstream` command; child processes are started this way.

The script begins here as well: where the command line's own packages are not installed, or Ctrl-C
comes while they are imported, that too ends in one clear line or none.
"""

import sys

from fixstream.cli.extras import lacking


def main() -> None:
    """Runs the command line."""
    try:
        from fixstream.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        told = lacking(error)
        if told is None:
            raise
        sys.exit(f"fixstream: {told}")
    run()


if __name__ == "__main__":
    main()
