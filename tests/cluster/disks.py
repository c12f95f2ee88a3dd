"""A disk of a few megabytes that can be filled: memory, mounted as a folder where root allows it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """A disk of the test's own at `folder`."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "salient-test", str(folder)]  # fmt: skip
    mounted = os.getuid() == 0 and not subprocess.run(mount, capture_output=True, check=False).returncode  # fmt: skip
    disk = Disk(folder) if mounted else Locked(folder)
    try:
        yield disk
    finally:
        disk.empty()
        if mounted:
            # Lazily: a process that a failed test left may still have a file open.
            subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


class Disk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / ".ballast"

    def fill(self) -> None:
        """Leave no room for a single block."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1024 * 1024, 4096, 1):
                try:
                    while file.write(b"\0" * size):
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)


class Locked(Disk):
    """Where nothing can be mounted: folders that may not be written to, which we, not being root, obey."""

    def fill(self) -> None:
        for folder in self._folders():
            folder.chmod(0o555)

    def empty(self) -> None:
        for folder in self._folders():
            folder.chmod(0o755)

    def _folders(self) -> list[Path]:
        return [self.folder, *(path for path in self.folder.rglob("*") if path.is_dir())]
