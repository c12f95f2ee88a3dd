"""Workers and coordinators on one set of stores, told where everything is by environment alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import salient
from tests.cluster import stories
from tests.cluster.roles import Cast, Role, cast, variables
from tests.sql_spaces import space

BEAT_S = 4
"""A worker that was silent for so long is taken for dead."""
QUICK = {"engine": "rules", "encoder": "hashing"}


class Site:
    """Stores in namespaces of their own, and the roles that share them."""

    def __init__(self, folder: Path, storage: Mapping[str, str], roles: Cast) -> None:
        self.folder, self.storage, self.roles = folder, storage, roles

    def worker(self, slots: int = 1, **options: Any) -> Role:
        """A worker that does so many batches at once; `options` are those of `Cast.start`.

        Nobody waits until it is ready: whoever has work waits for it.
        """
        return self.roles.start("worker", "-c", slots, **options)

    def add(self, *paths: Path, **options: Any) -> Role:
        return self.roles.start("add", *paths, **options)

    def told(self) -> dict[str, Any]:
        """What the workspace says of its documents now."""
        with salient.open(self.folder / "data", storage=dict(self.storage), nlp=QUICK) as workspace:
            return stories.told(workspace)


@contextmanager
def site(
    folder: Path,
    servers: Any,
    work: Mapping[str, object],
    nlp: Mapping[str, object],
    **storage: str,
) -> Iterator[Site]:
    """PostgreSQL, Redis and a folder of blobs, or what `storage` says instead."""
    own = f"t{uuid.uuid4().hex[:10]}"
    with space("postgresql", folder, servers) as postgres:
        storage = {
            "tables": postgres,
            "records": postgres,
            "cache": servers("redis").at("0", prefix=own),
            "blobs": f"file:{folder}/blobs",
        } | storage
        settings = {
            "storage": storage,
            "work": {"beat_s": BEAT_S} | dict(work),
            "nlp": nlp,
            "pipeline": {"batch": 4},
        }
        env = variables(settings) | {
            "SALIENT_DATA_DIR": str(folder / "data"),
            "SALIENT_TEST_GATE": str(folder / "gate"),
        }
        with cast(folder / "logs", env, servers("redis").take_along) as roles:
            yield Site(folder, storage, roles)
