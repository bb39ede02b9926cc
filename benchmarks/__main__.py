"""Runs every benchmark, or the named ones: `python -m benchmarks [NAME ...]`, or `make bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT_BENCHMARKS = {"__main__.py", "reporting.py"}


def main() -> int:
    """Runs them in processes of their own, so that none warms up for another."""
    paths = [path for path in sorted(HERE.glob("*.py")) if path.name not in NOT_BENCHMARKS]
    wanted = sys.argv[1:]
    if unknown := set(wanted) - {path.stem for path in paths}:
        print(f"no such benchmark: {', '.join(sorted(unknown))}")
        return 2
    failed = []
    for path in paths:
        if wanted and path.stem not in wanted:
            continue
        print(f"== {path.stem}", flush=True)
        if subprocess.run([sys.executable, str(path)], check=False).returncode:
            failed.append(path.stem)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
