"""Small files of state that are replaced as a whole: a crash leaves the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Puts `data` in the place of a file that its owner alone may read; makes the folder.

    Raises:
        OSError: It cannot be written; the old file stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # With the process in its name, two processes at one file never write into each other's.
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    flush_path(path.parent)


def flush_path(path: Path) -> None:
    """Forces a file, or the entries of a folder, onto the disk.

    Without it a new name may be lost in a power cut, though the file's content was not.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
