"""A plugin of pytest: the fixture `servers`, and the table of what passed against which server.

A run of the whole contract folder writes .salient/stores.json, which docs/generate.py makes a page
of. A store is what the suite's fixture is called with; what it is made of and what it can do is
asked of the opened store itself, so the page cannot claim what was not run.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Missing, Servers

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "tests" / "contract"
WRITTEN = ROOT / ".salient" / "stores.json"

ASKED = pytest.StashKey[list]()
"""The servers that were asked for since the running test began to be set up."""

FRONTS = {
    "KeyValueContract": "kv",
    "BlobContract": "blob",
    "TablesContract": "sql",
    "RecordsContract": "docs",
    "ChangesContract": "docs",
    "BulkContract": "docs",
    "SearchContract": "search",
    "RankingContract": "search",
}


@pytest.fixture(scope="session")
def servers(request):
    """Real servers by name: see the package. In CI none may be missing."""
    started = Servers()

    def get(name, **options):
        try:
            server = started(name, **options)
        except Missing as exc:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"{name}: {exc}")
        request.config.stash[ASKED].append(server)
        return server

    yield get
    started.close()


def front_of(item: pytest.Item) -> str | None:
    """The kind of store whose suite a test belongs to."""
    kinds = getattr(getattr(item, "cls", None), "__mro__", ())
    names = [k.__name__ for k in kinds if k.__module__.startswith("salient.storage.testing")]
    return next((FRONTS[name] for name in names if name in FRONTS), None)


def row_of(item: pytest.Item) -> str:
    """What the suite's fixture was given: not what the test itself is parametrized with."""
    of_test = {
        name.strip()
        for mark in item.iter_markers("parametrize")
        for name in (mark.args[0].split(",") if isinstance(mark.args[0], str) else mark.args[0])
    }
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return " ".join(str(v) for k, v in sorted(params.items()) if k not in of_test) or "default"


def made_of(driver: Any) -> str:
    """The drivers as text: `layered(memory, redis)`."""
    own = type(driver).__module__.rpartition(".")[2]
    inner = ", ".join(made_of(one) for one in getattr(driver, "inner", ()))
    return f"{own}({inner})" if inner else own


def note(item: pytest.Item) -> None:
    """Say of a test which store it ran on; reports carry it to where they are counted."""
    front = front_of(item)
    if front is None:
        return
    found: dict[str, Any] = {"front": front, "row": row_of(item)}
    for value in getattr(item, "funcargs", {}).values():
        driver = getattr(value, "_driver", None)
        if type(value).__module__ == f"salient.storage.{front}" and driver is not None:
            found["driver"] = made_of(driver)
            found["features"] = sorted(getattr(driver, "features", ()))
    found["servers"] = {
        server.name: {"version": server.version, "stands_for": "" if server.given else server.stands_for}
        for server in item.config.stash.get(ASKED, [])
    }  # fmt: skip
    item.user_properties = [p for p in item.user_properties if p[0] != "store"]
    item.user_properties.append(("store", found))


class Table:
    """Counts reports; on the controller, where tests are distributed."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.counts: dict[tuple[str, str], Counter[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = dict(report.user_properties).get("store")
        if found is None or (report.when != "call" and report.passed):
            return
        key = (found["front"], found["row"])
        row = self.rows.setdefault(key, {"driver": "", "features": [], "servers": {}})
        row["servers"] |= found["servers"]
        if "driver" in found:
            row["driver"] = found["driver"]
            row["features"] = sorted({*row["features"], *found["features"]})
        outcome = "xfailed" if hasattr(report, "wasxfail") and report.skipped else report.outcome
        if report.when == "teardown" and outcome == "failed":
            outcome = "failed at its end"
        self.counts.setdefault(key, Counter())[outcome] += 1

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        fronts = {front for front, _ in self.rows if _whole(front, session.config, exitstatus)}
        if not fronts:
            return
        before = json.loads(WRITTEN.read_text()) if WRITTEN.exists() else {}
        out = {front: rows for front, rows in before.items() if front not in fronts}
        for (front, name), row in sorted(self.rows.items()):
            if front in fronts:
                counts = dict(sorted(self.counts[front, name].items()))
                out.setdefault(front, {})[name] = row | counts
        WRITTEN.parent.mkdir(exist_ok=True)
        WRITTEN.write_text(json.dumps(out, indent=1, sort_keys=True) + "\n")


def _whole(front: str, config: pytest.Config, exitstatus: int) -> bool:
    """Whether nothing of a front's part of the contract folder was left out."""
    chosen = [Path(arg.partition("::")[0]).resolve() for arg in config.args if "::" not in arg]
    wanted = CONTRACT.glob(f"test_{front}*.py")
    covered = all(any(file.is_relative_to(path) for path in chosen) for file in wanted)
    option = config.option
    picked = option.keyword or option.markexpr or option.deselect or option.ignore
    return covered and not picked and not getattr(option, "lf", False) and exitstatus in (0, 1)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ASKED] = []
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(), "table of stores")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item):
    item.config.stash[ASKED].clear()
    try:
        return (yield)
    finally:
        note(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    try:
        return (yield)
    finally:
        if item.config.stash[ASKED]:
            note(item)
