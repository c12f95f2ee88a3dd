"""A stack of containers: deploy/compose.yaml, driven by whichever engine is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import final

from salient.errors import Misconfigured

COMPOSE = Path(__file__).resolve().parents[4] / "deploy" / "compose.yaml"
"""In a checkout. An installed package has none: then it has to be named."""

_CANDIDATES = (
    ("docker", "compose"),
    ("docker-compose",),
    ("podman", "compose"),
    ("podman-compose",),
)
_ASK_S = 20.0


def engine() -> tuple[str, ...] | None:
    """The words that start compose, if there is one whose engine answers."""
    for words in _CANDIDATES:
        # `docker-compose` is a client too: what matters is whether the engine behind it runs.
        client = words[0].partition("-")[0]
        if all(map(shutil.which, {words[0], client})) and all(
            map(_works, ((*words, "version"), (client, "info")))
        ):
            return words
    return None


def _works(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@final
class Containers:
    """The stack of a compose file.

    Args:
        words: what `engine` found.

    Raises:
        Misconfigured: the file is not there, or has no passwords yet.
    """

    def __init__(self, words: Sequence[str], file: Path = COMPOSE) -> None:
        if not file.is_file():
            raise Misconfigured(
                f"there is no {file}: name deploy/compose.yaml of Salient's source with --compose, or take --local"
            )
        self._words = tuple(words)
        self._file = file

    def start(self, profile: str) -> int:
        """Build what is not built, start everything, wait until it serves; return an exit code.

        Raises:
            Misconfigured: there is no `.env` beside the file.
        """
        secrets = self._file.with_name(".env")
        if not secrets.is_file():
            raise Misconfigured(
                f"there is no {secrets}: copy {secrets.name}.example beside it and put passwords of your own in, or take --local"
            )
        return self._run(profile, "up", "--detach", "--build")

    def stop(self) -> int:
        """End everything; data are kept."""
        return self._run("*", "down", "--timeout", "180")

    def status(self) -> int:
        """Show what runs."""
        return self._run("*", "ps")

    def logs(self, roles: Sequence[str], *, lines: int, follow: bool) -> int:
        """Show the ends of logs."""
        more = ["--follow"] if follow else []
        return self._run("*", "logs", f"--tail={lines}", *more, *roles)

    def shell(self, words: Sequence[str], profile: str) -> int:
        """Run the shell in a container of its own, beside the others."""
        service = {"small": "api-small", "dev": "api-dev"}.get(profile, "api")
        command = ("run", "--rm", "--no-deps", "--entrypoint", "python", service)
        return self._run(profile, *command, "-m", "salient.interfaces.stack.shell", *words)

    def _run(self, profile: str, *words: str) -> int:
        # By the variable: every compose knows it, `--profile "*"` only the newest.
        profiles = "small,full,dev" if profile == "*" else profile
        environment = {**os.environ, "COMPOSE_PROFILES": profiles}
        command = [*self._words, "-f", str(self._file), *words]
        return subprocess.run(command, env=environment, check=False).returncode
