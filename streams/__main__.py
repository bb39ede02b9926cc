"""`python -m fixstream.streams`: one processor in the foreground, told by the environment."""

from __future__ import annotations

import sys

from fixstream.runtime.logs import configure_logging
from fixstream.runtime.settings import LogSettings, load_settings
from fixstream.schemas.errors import FixstreamError
from fixstream.streams.service import run


def main() -> int:
    """Runs the processor; returns the exit status, after one line where it is not zero."""
    try:
        configure_logging("stream", load_settings(LogSettings))
        run()
    except FixstreamError as error:
        sys.stderr.write(f"fixstream stream: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
