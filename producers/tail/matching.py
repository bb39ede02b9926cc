"""Which files the user's paths name: plain paths as they are, globs as far as they match now.

Of globs, compressed files and what was rotated away from another match are left out.
"""

from __future__ import annotations

import glob
from pathlib import Path

from fixstream.producers.tail.following import is_compressed, is_rotation_of
from fixstream.schemas.errors import Misconfigured


class PathPatterns:
    """The paths that were asked for."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self._paths = paths

    def require_usable(self, *, must_exist: bool) -> None:
        """Tells of paths that can never give a line.

        Args:
            must_exist: Whether nobody will wait for files to come.

        Raises:
            Misconfigured: A path names a compressed file or a folder, or nothing although it must.
        """
        for path in self._paths:
            if path.is_dir():
                raise Misconfigured(f"{path}: Is a directory; quote a glob such as '{path}/*.log'")
            if is_compressed(path) and not glob.has_magic(str(path)):
                raise Misconfigured(f"{path}: compressed files are not read; unpack it first")
            if must_exist and not path.exists() and not _matching(str(path)):
                raise Misconfigured(f"{path}: No such file")

    def matches(self) -> list[Path]:
        """The files to follow by now, each once; plain paths come whether they exist or not."""
        found: dict[Path, None] = {}
        for path in self._paths:
            if path.exists() or not glob.has_magic(str(path)):
                found[path] = None
            else:
                found.update(dict.fromkeys(_matching(str(path))))
        return list(found)


def _matching(pattern: str) -> list[Path]:
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 -- absolute ones too
    files = [path for path in paths if path.is_file() and not is_compressed(path)]
    names = {(path.parent, path.name) for path in files}
    return [path for path in files if not _is_rotated(path, names)]


def _is_rotated(path: Path, names: set[tuple[Path, str]]) -> bool:
    return any(
        folder == path.parent and name != path.name and is_rotation_of(path, name)
        for folder, name in names
    )


def inode_of(path: Path) -> int | None:
    """The file's number, or None where there is no file now."""
    try:
        return path.stat().st_ino
    except OSError:
        return None
