"""Results of benchmarks: printed, and kept as dated JSON beside the machine they were taken on."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, cores, memory, versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def keep(name: str, figures: dict[str, Any]) -> Path:
    """Prints the figures and writes them to `results/<day>-<name>.json`.

    Args:
        name: the benchmark's name.
        figures: measured values, the baseline's and the ratio among them.
    """
    now = datetime.now(UTC)
    kept = {
        "benchmark": name,
        "taken_at": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "load_average_1m": round(os.getloadavg()[0], 2),
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%d}-{name}.json"
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
    print(f"kept in {path}")
    return path


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "?")
