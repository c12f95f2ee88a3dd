"""Takes the pictures of the README anew, from the example corpus in a workspace of its own.

.venv/bin/python docs/pictures.py

Needs a Chromium, the web page as `python3 x.py setup` builds it, and the packages that tests need.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from salient.app import App
from salient.interfaces import rest
from salient.interfaces.python import Workspace
from salient.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "docs" / "pictures"
SIZE = {"width": 1440, "height": 900}
MAX_BYTES = 300_000
CONTRACT = "halden-brightwater-supply-agreement.pdf"
CHOSEN = "Brightwater Pumps Ltd"
QUESTION = "What commitment fee does Northgate pay on the undrawn part of the facility?"


@contextmanager
def served() -> Iterator[tuple[str, Workspace]]:
    """The address of a server over a fresh workspace with the example corpus."""
    with tempfile.TemporaryDirectory() as folder:
        app = App(Settings(data_dir=Path(folder)))
        workspace = Workspace(app)
        workspace.call("entities.import", path=str(ROOT / "examples" / "knowledge_base.csv"))
        workspace.add(ROOT / "examples" / "corpus")
        server = uvicorn.Server(
            uvicorn.Config(rest.create(app), host="127.0.0.1", port=0, log_config=None)
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.05)
        try:
            yield (
                f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}",
                workspace,
            )
        finally:
            server.should_exit = True
            thread.join(20)
            app.close()


def take(page: Page, name: str) -> None:
    """Save what the window shows, with as many colours as a small file allows."""
    page.evaluate("document.activeElement.blur()")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(500)  # scrolling and pictures settle
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    # The cut by median keeps large plain areas exact; others shift the paper's tone.
    small = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    file = HERE / f"{name}.png"
    small.save(file, optimize=True)
    if file.stat().st_size > MAX_BYTES:
        sys.exit(f"{file.name} has {file.stat().st_size:,} bytes, more than {MAX_BYTES:,}")


def document(page: Page, address: str, workspace: Workspace) -> None:
    """A contract: its page, its text, and what was found in it."""
    found = next(d for d in workspace.documents(limit=1000).documents if d.name.endswith(CONTRACT))
    page.goto(f"{address}/documents/{found.id}")
    page.locator(".find-row", has_text=CHOSEN).first.click()
    expect(page.locator(".page-pane .box-mark.on").first).to_be_visible()
    expect(page.get_by_label("Selected finding")).to_be_visible()
    take(page, "document")


def ask(page: Page, address: str) -> None:
    """An answer beside the page that it is quoted from."""
    page.goto(f"{address}/ask")
    page.get_by_label("Your question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator(".cited .hit-box").first).to_be_in_viewport()
    take(page, "ask")


def main() -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        sys.exit("no chromium on this machine: apt-get install chromium")
    HERE.mkdir(exist_ok=True)
    expect.set_options(timeout=60_000)
    with served() as (address, workspace), sync_playwright() as playwright:
        # As root in a container, Chromium has no sandbox to start in.
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
        document(page, address, workspace)
        ask(page, address)
        opened.close()


if __name__ == "__main__":
    main()
