"""Starting a role anew when its source changes: `python -m salient.interfaces.stack.reloading VERB …`.

That is for containers, where the source tree is mounted at /source/salient but has no compiled kernels for the
image's Python: the image's own package is copied once, and what changes in the source is copied over it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

SOURCE = Path("/source/salient")
_KINDS = frozenset([".py", ".sql", ".yaml", ".columns"])
_LOOK_S = 1.0
_END_S = 10.0


class Sources:
    """The files of a source tree that have a role started anew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = self._look()
        self._looked_at = time.monotonic()

    def changed(self) -> bool:
        """Whether files changed, came or went since it last said so. It looks once a second, at most."""
        if time.monotonic() - self._looked_at < _LOOK_S:
            return False
        self._looked_at = time.monotonic()
        before, self._seen = self._seen, self._look()
        return before != self._seen

    def copy(self, to: Path) -> None:
        """Copy all of them."""
        for name in self._seen:
            target = to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._folder / name, target)

    def _look(self) -> dict[str, tuple[int, int]]:
        found = {}
        for place, folders, files in os.walk(self._folder):
            folders[:] = [f for f in folders if not f.startswith((".", "__"))]
            for name in files:
                path = Path(place, name)
                if path.suffix in _KINDS and not name.startswith("."):
                    try:
                        about = path.stat()
                    except FileNotFoundError:  # editors write beside and rename
                        continue
                    found[str(path.relative_to(self._folder))] = (about.st_mtime_ns, about.st_size)
        return found


def run(words: list[str], source: Path, package: Path) -> int:
    """Run a verb of salient from a copy of `package` with `source` over it, until told to end.

    Args:
        package: the installed one, whose kernels are used.
    """
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with tempfile.TemporaryDirectory(prefix="salient-") as scratch:
        copy = Path(scratch) / "salient"
        shutil.copytree(package, copy)
        sources = Sources(source)
        environment = {**os.environ, "PYTHONPATH": scratch}
        while not stopped:
            sources.copy(copy)
            child = subprocess.Popen([sys.executable, "-m", "salient", *words], env=environment)
            # One that ended by itself, over a fault in the source, waits for the next change.
            while not stopped and not sources.changed():
                time.sleep(0.1)
            child.terminate()
            try:
                child.wait(_END_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    return 0


if __name__ == "__main__":
    # `python -m` looks in the working folder first, which is not the package's.
    sys.exit(run(sys.argv[1:], SOURCE, Path(__file__).resolve().parents[2]))
