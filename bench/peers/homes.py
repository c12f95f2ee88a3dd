"""Interpreters for peers, which need other versions of libraries than we do."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path


def home(cache: Path, name: str, requirements: Sequence[str]) -> Path:
    """The interpreter of a bench's peers, made if it is not there."""
    folder = cache / f"peers-{name}"
    python = folder / "bin/python"
    if not (folder / "ready").is_file():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
        (folder / "ready").touch()
    return python
