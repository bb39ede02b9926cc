"""What the commands show: lines for people on stderr, results on stdout, no surprises in pipes."""

from __future__ import annotations

from rich.console import Console

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def tell(line: str) -> None:
    """One line of progress, on stderr, so that stdout stays a result."""
    err.print(f"[dim]·[/dim] {line}", markup=True)
