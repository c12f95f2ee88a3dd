"""Pools that the suite runs over, each with workers of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from salient.work import Place, Pool, WorkConfig, open_pool
from salient.work.queued import presences
from tests.cluster.roles import ROOT, Cast, cast, until, variables
from tests.contract.pool_tasks import ALLOWED

INLINE, PROCESSES, REDIS, RABBITMQ, DASK = KINDS = ("inline", "processes", "redis", "rabbitmq", "dask")  # fmt: skip
QUEUES = (REDIS, RABBITMQ, DASK)
OTHERS = (PROCESSES, *QUEUES)
"""Those whose workers are not this process."""

BEAT_S = 3.0
HANG_S = 10.0
BATCH_S = 2.0
SLOTS = 2
CONFIG = WorkConfig(beat_s=BEAT_S, hang_s=HANG_S, batch_s=BATCH_S, modules=(ALLOWED,))


@dataclass(frozen=True)
class Site:
    """Where a pool's workers are, and the stores that they use."""

    kind: str
    url: str
    blobs: str
    cache: str
    folder: Path
    roles: Cast | None = None

    def place(self) -> Place:
        return Place(self.blobs, self.cache)

    def open(self, **config: Any) -> Pool:
        return open_pool(self.url, self.place(), replace(CONFIG, **config))

    def env(self) -> dict[str, str]:
        """What workers are told."""
        work = {"beat_s": BEAT_S, "hang_s": HANG_S, "batch_s": BATCH_S, "modules": f'["{ALLOWED}"]'}
        if not self.url.startswith("dask"):
            work["on"] = self.url
        storage = {"blobs": self.blobs, "cache": self.cache}
        return variables({"storage": storage, "work": work}) | {
            "SALIENT_DATA_DIR": str(self.folder / "data"),
            "SALIENT_TEST_IMPORTED": str(self.folder / "imported"),
        }


@contextmanager
def site(kind: str, folder: Path, servers: Any) -> Iterator[Site]:
    """A pool's workers, ready."""
    if kind in (INLINE, PROCESSES):
        url = "inline:" if kind == INLINE else f"processes:{SLOTS}"
        yield Site(kind, url, f"file:{folder}/blobs", "memory:", folder)
        return
    own = f"t{uuid.uuid4().hex[:10]}"
    cache = servers("redis").at("0", prefix=own)
    with ExitStack() as stack:
        if kind == DASK:
            url = stack.enter_context(_scheduler(folder))
        elif kind == REDIS:
            url = "celery:" + servers("redis").at("2")
        else:
            url = "celery:" + servers("rabbitmq").host(own)
        made = Site(kind, url, f"file:{folder}/blobs", cache, folder)
        roles = stack.enter_context(cast(folder / "logs", made.env(), servers("redis").take_along))
        if kind == DASK:
            stack.enter_context(_dask_workers(made))
        else:
            roles.start("worker", "-c", SLOTS)
            place = made.place()
            stack.callback(place.close)
            until(lambda: presences(place), "a worker says that it is there", roles.roles[0])
        yield replace(made, roles=roles)


@contextmanager
def _scheduler(folder: Path) -> Iterator[str]:
    told = folder / "scheduler.json"
    with _dask(
        folder, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show",
        "--scheduler-file", str(told),
    ) as process:  # fmt: skip
        until(lambda: _address(told) or process.poll() is not None, "a scheduler says where it is")
        assert process.poll() is None, (folder / "scheduler.log").read_text()
        yield f"dask:{_address(told)}"


def _address(told: Path) -> str:
    try:
        return str(json.loads(told.read_text())["address"])
    except (OSError, ValueError):
        return ""  # not there, or half written


@contextmanager
def _dask_workers(site: Site) -> Iterator[None]:
    arguments = [
        site.url.removeprefix("dask:"), "--host", "127.0.0.1", "--nworkers", str(SLOTS), "--nthreads", "1",
        "--no-dashboard", "--memory-limit", "0", "--local-directory", str(site.folder / "dask"),
    ]  # fmt: skip
    with _dask(site.folder, "worker", *arguments, env=site.env()), site.open() as pool:
        until(lambda: pool.slots == SLOTS, "workers are there")
        yield


@contextmanager
def _dask(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Any]:
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
