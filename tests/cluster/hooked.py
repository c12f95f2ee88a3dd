"""The command line, with what tests need to happen in it: python -m tests.cluster.hooked VERB …

SALIENT_TEST_GATE=FOLDER        the engine `gated` waits in it, or dies: see `Gated`
SALIENT_TEST_DOUBLED=FILE       every message to the broker is sent twice; the file has a dot for each
SALIENT_TEST_LOSES=FOLDER:N     the first N outcomes that workers write are not there afterwards
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from salient import nlp
from salient.model import Annotations, Text
from salient.nlp import Engine
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.rules_engine import RulesEngine
from salient.storage.blob import Blobs

HOLD, POISON = "hold the line", "drink the poison"
"""What is in a document that waits at the gate, or kills its worker."""


class Gate:
    """Where a test and the workers that it starts meet: files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._held, self._open, self._deadly = (folder / n for n in ("held", "open", "deadly"))
        self._read = folder / "read"

    # For the test.

    def arm(self) -> None:
        """Have the poisoned document kill."""
        self._deadly.touch()

    def held(self) -> int | None:
        """The process that waits at the gate, or waited there when it ended."""
        text = self._held.read_text() if self._held.exists() else ""
        return int(text) if text else None

    def open(self) -> None:
        self._open.touch()

    @property
    def n_read(self) -> int:
        """How often a text was read, by whomever."""
        return self._read.stat().st_size

    # For the worker.

    def count(self) -> None:
        with self._read.open("ab", buffering=0) as file:
            file.write(b".")

    def pass_through(self) -> None:
        """The first that comes waits until the gate is opened; others pass."""
        try:
            with self._held.open("x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            return
        while not self._open.exists():
            time.sleep(0.01)

    @property
    def deadly(self) -> bool:
        return self._deadly.exists()


class Gated(Engine):
    """The rules engine, but that some texts make it wait or die."""

    name: ClassVar[str] = RulesEngine.name

    def __init__(self) -> None:
        self._rules = RulesEngine()
        self._gate = Gate(Path(os.environ["SALIENT_TEST_GATE"]))

    @property
    def version(self) -> str:
        return self._rules.version

    @property
    def languages(self) -> frozenset[str]:
        return self._rules.languages

    def annotate(
        self, texts: Iterable[Text], *, gazetteer: Gazetteer | None = None
    ) -> Iterator[Annotations]:
        for text in texts:
            self._gate.count()
            if HOLD in text.text:
                self._gate.pass_through()
            if POISON in text.text and self._gate.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            yield from self._rules.annotate([text], gazetteer=gazetteer)


def open_scheme(rest: str) -> Gated:
    return Gated()


def double(seen: Path) -> None:
    """Publish everything twice."""
    from kombu.messaging import Producer

    publish = Producer._publish

    def twice(self: Any, *arguments: Any, **options: Any) -> Any:
        publish(self, *arguments, **options)
        with seen.open("a") as file:
            file.write(".")
        return publish(self, *arguments, **options)

    Producer._publish = twice


def lose(folder: Path, n: int) -> None:
    """Drop outcomes that were written: each of `n` once."""
    put = Blobs.put

    def forgetting(self: Blobs, key: str, source: Any, **options: Any) -> int:
        size = put(self, key, source, **options)
        if key.startswith("run/"):
            for number in range(n):
                try:
                    (folder / f"lost-{number}").touch(exist_ok=False)
                except FileExistsError:
                    continue
                self.delete(key)
                break
        return size

    Blobs.put = forgetting  # type: ignore[method-assign]


def deafen() -> None:
    """Celery learns of no child's death by itself, as when descriptors were mixed up."""
    from celery.concurrency.asynpool import AsynPool

    AsynPool._track_child_process = lambda self, proc, hub: None


def main() -> None:
    nlp.SCHEMES["gated"] = __spec__.name if __spec__ else __name__
    if os.environ.get("SALIENT_TEST_DOUBLED"):
        double(Path(os.environ["SALIENT_TEST_DOUBLED"]))
    if os.environ.get("SALIENT_TEST_LOSES"):
        folder, _, n = os.environ["SALIENT_TEST_LOSES"].rpartition(":")
        lose(Path(folder), int(n))
    if os.environ.get("SALIENT_TEST_DEAF"):
        deafen()
    from salient.interfaces.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
