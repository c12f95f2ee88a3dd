"""A real server with the example corpus, and a real browser that must stay within it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from salient.app import App
from salient.interfaces import rest
from salient.interfaces.python import Workspace
from salient.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "examples" / "corpus"
# Two busy cores may take long for anything; a passing test never waits for this.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
# The first keeps it working as root in a container; the others stop it calling out by itself.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(str(item.fspath)).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


def _missing(what: str) -> None:
    """Skip on a laptop, fail in CI: there, what is missing is a broken set-up."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


@dataclass(frozen=True)
class Server:
    """A served workspace. `call` asks its API as the page does."""

    url: str
    workspace: Workspace

    def call(self, service: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/v1/{service}",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def document(self, name: str) -> dict[str, Any]:
        """The one document whose name ends in `name`."""
        (found,) = (
            d
            for d in self.call("documents/list", limit=1000)["documents"]
            if d["name"].endswith(name)
        )
        return dict(found)


def _webbuild() -> ModuleType:
    spec = importlib.util.spec_from_file_location("webbuild", ROOT / "webbuild.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def built() -> None:
    """The page as its sources are now, so that no test ever sees an old build."""
    webbuild = _webbuild()
    try:
        webbuild.build()
    except webbuild.WebBuildError as error:
        _missing(str(error))
    if not (webbuild.OUT / "index.html").is_file():
        _missing("the web page was not built")


@pytest.fixture(scope="session")
def serve(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start servers, each over a workspace of its own: the given paths, added to a copy of `like`."""
    running: list[tuple[uvicorn.Server, threading.Thread, App]] = []

    def start(*paths: Path, like: Path | None = None) -> Server:
        data = tmp_path_factory.mktemp("data")
        if like is not None:
            shutil.copytree(like, data, dirs_exist_ok=True)
        app = App(Settings(data_dir=data))
        workspace = Workspace(app)
        if paths:
            workspace.add(*paths, processes=1)
        config = uvicorn.Config(
            rest.create(app),
            host="127.0.0.1",
            port=0,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.02)
        running.append((server, thread, app))
        port = server.servers[0].sockets[0].getsockname()[1]
        return Server(f"http://127.0.0.1:{port}", workspace)

    yield start
    for server, thread, app in running:
        server.should_exit = True
        thread.join(20)
        app.close()


@pytest.fixture(scope="session")
def corpus(serve: Callable[..., Server]) -> Server:
    """The example corpus. Tests only read it."""
    return serve(CORPUS)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a workspace with a contract and a patent is kept, read once for all tests."""
    data = tmp_path_factory.mktemp("small")
    contracts = sorted((CORPUS / "contracts").glob("*supply*.pdf"))
    app = App(Settings(data_dir=data))
    Workspace(app).add(*contracts, *sorted((CORPUS / "patents").glob("*.txt"))[:1], processes=1)
    app.close()
    return data


@pytest.fixture
def scratch(serve: Callable[..., Server], small: Path) -> Server:
    """A contract and a patent, to be changed at will."""
    return serve(like=small)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if path is None:
        _missing("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab that fails its test on a script fault, or a request to anywhere but the server."""
    tab = context.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(f"script fault: {error}"))
    tab.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
            else faults.append(f"outside request: {request.url}")
        ),
    )
    tab.on(
        "console",
        lambda message: (
            faults.append(f"console: {message.text}")
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    yield tab
    assert faults == []
