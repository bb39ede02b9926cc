"""Loads modules of test data that stand beside a test, for tests are no packages here."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def load_beside(test_file: str, name: str) -> ModuleType:
    """Returns the module `name` from the folder of `test_file`."""
    spec = importlib.util.spec_from_file_location(name, Path(test_file).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
