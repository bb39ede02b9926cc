"""Runs every benchmark, one after the other: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT_BENCHMARKS = {"__main__.py", "reporting.py"}


def main() -> int:
    """Runs them in processes of their own, so that none warms up for another."""
    failed = []
    for path in sorted(HERE.glob("*.py")):
        if path.name in NOT_BENCHMARKS:
            continue
        print(f"== {path.stem}", flush=True)
        if subprocess.run([sys.executable, str(path)], check=False).returncode:
            failed.append(path.stem)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
