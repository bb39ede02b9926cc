"""`python -m fixstream.cli` is the `fixstream` command; child processes are started this way."""

from fixstream.cli.main import main

if __name__ == "__main__":
    main()
