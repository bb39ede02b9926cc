"""Makes the virtual environment from the lock file. Standard library only: nothing is there yet.

It refuses to guess: an environment is made only where none is, and torch is left alone only where
the environment already has one.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE / "all.lock"
INSTALLER = (HERE / "installer.lock").read_text(encoding="utf-8").split()
TORCH_FAMILY = re.compile(r"^(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")


def main() -> int:
    """Installs everything into the environment named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("venv", type=Path, help="folder of the virtual environment")
    parser.add_argument(
        "--torch", choices=["pypi", "system"], default="pypi", help="where a new venv's torch is"
    )
    options = parser.parse_args()
    if sys.version_info < (3, 11):
        print(f"fixstream needs Python 3.11 or newer; this is {sys.version.split()[0]}")
        return 1
    started = time.monotonic()
    python = make_venv(options.venv, uses_system=options.torch == "system")
    uv = install_installer(options.venv, python)
    ours = options.venv / ".fixstream-torch"
    found = find_torch(python)
    has_torch = found is not None and not ours.exists()
    if has_torch:
        print(f"==> using the torch that is there: {found}", flush=True)
    elif found is None:
        print(
            "==> fetching the dependencies. On Linux x86-64 torch brings CUDA: about 3 GB to"
            " fetch and 6 GB on disk, the first time only",
            flush=True,
        )
    install_locked(uv, python, has_torch=has_torch)
    if not has_torch:
        ours.touch()  # So that a later lock file may move the torch that we brought.
    install_project(uv, python)
    print(f"==> ready in {time.monotonic() - started:.0f} s: {options.venv}", flush=True)
    return 0


def make_venv(folder: Path, *, uses_system: bool) -> Path:
    """Returns the environment's python; makes the environment if there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"==> making {folder}", flush=True)
        flags = ["--system-site-packages"] if uses_system else []
        run([sys.executable, "-m", "venv", *flags, str(folder)])
    return python


def install_installer(folder: Path, python: Path) -> Path:
    """Installs uv: it fetches in parallel what pip fetches in a row (a third of the time)."""
    run([str(python), "-m", "pip", "install", "--quiet", *INSTALLER])
    return folder / "bin" / "uv"


def find_torch(python: Path) -> str | None:
    """Returns the version of the torch that the environment already has, if it has one."""
    probe = "import importlib.metadata as m; print(m.version('torch'))"
    found = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def install_locked(uv: Path, python: Path, *, has_torch: bool) -> None:
    """Installs exactly what the lock file names, hashes verified."""
    blocks = re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8"))
    kept = [b for b in blocks if not (has_torch and TORCH_FAMILY.match(b))]
    command = [str(uv), "pip", "install", "--python", str(python), "--no-deps"]
    run([*command, *index_flags(python), "-r", "-"], stdin="\n".join(kept))


def install_project(uv: Path, python: Path) -> None:
    """Installs the checkout itself, editable."""
    command = [str(uv), "pip", "install", "--python", str(python), "--no-deps", "--quiet"]
    run([*command, "--no-build-isolation", "-e", str(HERE.parent)])


def index_flags(python: Path) -> list[str]:
    """Hands pip's configured index on to uv, which does not read pip's configuration."""
    asked = [str(python), "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    index = os.environ.get("PIP_INDEX_URL") or found.stdout.strip()
    return ["--index-url", index] if index else []


def run(command: list[str], stdin: str | None = None) -> None:
    """Runs one step; a failing step ends the installation with its own words."""
    result = subprocess.run(command, input=stdin, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"==> failed: {' '.join(command[:6])} … (exit {result.returncode})")


if __name__ == "__main__":
    sys.exit(main())
