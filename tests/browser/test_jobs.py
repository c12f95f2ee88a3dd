"""Jobs as a person sees them: how far, how fast, and the buttons that hold, stop and repeat."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from salient import errors
from salient.model import Value
from salient.pipeline.run import Progress
from salient.services import Context, Service
from salient.services.jobbook import changed
from salient.work import Recipe, deadletters


class Nothing(Value):
    pass


class Slow:
    """A job that goes on for as long as the test wants."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.fault: errors.Error | None = None
        self.service = Service("documents.add", self.run, Nothing, Nothing, True, True)

    def run(self, request: Nothing, context: Context) -> Nothing:
        done = 0
        while not self.over.wait(0.1):
            done += 1
            context.report(Progress("annotate", done, 1000, "contract.pdf"))
        if self.fault is not None:
            raise self.fault
        return request


@pytest.fixture
def slow(scratch: Any) -> Iterator[Slow]:
    """The server's next job is this one."""
    made = Slow()
    app = scratch.workspace.app
    app.services = {**app.services, "documents.add": made.service}
    book = app.context.jobs
    for entry in book.entries():
        book.forget([entry.job.id])
    book.queue("documents.add", {})
    yield made
    made.over.set()


def test_a_job_is_held_goes_on_and_is_stopped(page: Page, scratch: Any, slow: Slow) -> None:
    page.goto(f"{scratch.url}/status?tab=jobs")
    card = page.locator("article").first
    expect(card).to_contain_text("Running")
    expect(card).to_contain_text("of 1,000 documents")
    expect(card).to_contain_text("a second")
    expect(card).to_contain_text("left")
    card.get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("Paused")
    expect(page.locator(".pulse")).to_have_count(0)  # no document waits
    card.get_by_role("button", name="Go on").click()
    expect(card).to_contain_text("Running")
    card.get_by_role("button", name="Pause").click()
    expect(card.get_by_role("button", name="Go on")).to_be_visible()
    card.get_by_role("button", name="Stop").click()
    expect(card).to_contain_text("Stopped")
    expect(card.get_by_role("button", name="Stop")).to_have_count(0)


def test_a_failed_job_says_why_and_is_done_again(page: Page, scratch: Any, slow: Slow) -> None:
    slow.fault = errors.Corrupt("the shelf is empty")
    slow.over.set()
    page.goto(f"{scratch.url}/status?tab=jobs")
    card = page.locator("article")
    expect(card.first).to_contain_text("the shelf is empty")
    slow.fault = None
    card.first.get_by_role("button", name="Do it again").click()
    expect(card).to_have_count(2)
    expect(card.first).to_contain_text("Done")
    expect(card.first).to_contain_text("Does again")


def test_the_documents_say_what_is_under_way(page: Page, scratch: Any, slow: Slow) -> None:
    page.goto(f"{scratch.url}/documents")
    strip = page.get_by_role("region", name="Under way")
    expect(strip).to_contain_text("of 1,000 documents")
    expect(strip.get_by_role("progressbar")).to_be_visible()
    strip.get_by_role("button", name="Pause").click()
    expect(strip).to_contain_text("Paused")
    strip.get_by_role("button", name="Stop").click()
    expect(strip).to_have_count(0)


def test_now_shows_who_works(page: Page, scratch: Any, slow: Slow) -> None:
    import msgspec

    from salient.work.notes import Beat, Presence

    cache = scratch.workspace.app.context.cache
    said = Presence("host-1:17", "host-1", 17, ("salient",), 4, 0.0, "1")
    cache.put("worker/host-1:17", msgspec.json.encode(said), ttl_s=600)
    cache.put("beat/r/b", msgspec.json.encode(Beat("host-1:18", 1, 2, 40, 75.0)), ttl_s=600)
    page.goto(f"{scratch.url}/status")
    workers = page.get_by_role("region", name="Workers")
    expect(workers).to_contain_text("1 worker")
    expect(workers).to_contain_text("host-1:18 is at 3 of 40 items for 1 min")
    expect(workers).to_contain_text("last contract.pdf")
    cache.delete("worker/host-1:17")
    cache.delete("beat/r/b")
    expect(workers).to_contain_text("local processes")


def test_a_job_that_nobody_has_says_so(page: Page, corpus: Any) -> None:
    book = corpus.workspace.app.context.jobs
    job, hold = book.begin("documents.add", {})
    # Put off until 2033, so that the server does not take it either.
    book.write(hold, changed(book.get(job.id), not_before=2e9))
    hold.release()
    try:
        page.goto(f"{corpus.url}/status?tab=jobs")
        expect(page.locator("article").first).to_contain_text("No process has it now")
    finally:
        book.forget([job.id])


def test_what_was_given_up_is_tried_again_and_forgotten(page: Page, scratch: Any) -> None:
    context = scratch.workspace.app.context
    for item in ("a", "b"):
        error = errors.Unsupported(f"{item} cannot be read")
        recipe = Recipe("salient.nowhere:open_it")
        deadletters.put(context.records, recipe, item, error, keep=9, workspace="default")
    page.goto(f"{scratch.url}/status?tab=dead")
    calls = page.get_by_role("region", name="Calls given up")
    expect(calls).to_contain_text("2 calls given up")
    expect(calls).to_contain_text("a cannot be read")
    calls.get_by_role("button", name="Forget all").click()
    expect(page.get_by_role("heading", name="Nothing was given up")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 420])
def test_no_view_of_jobs_needs_scrolling_sideways(
    page: Page, scratch: Any, slow: Slow, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for path in ("/status", "/status?tab=jobs", "/status?tab=dead", "/documents"):
        page.goto(f"{scratch.url}{path}")
        expect(page.locator("h1")).to_be_visible()
        if path != "/status?tab=dead":
            expect(page.get_by_role("progressbar").first).to_be_visible()
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, path
