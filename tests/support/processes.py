"""Looking at processes from outside."""

from __future__ import annotations

import psutil


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be reaped does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def children_named(parent_pid: int, word: str) -> list[int]:
    """Process ids below a process whose command line holds a word."""
    found = []
    for child in psutil.Process(parent_pid).children(recursive=True):
        try:
            if word in " ".join(child.cmdline()):
                found.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found
