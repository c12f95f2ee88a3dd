"""Entities, graph, status, and what holds in every view."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

CHECKS = (Path(__file__).parent / "checks.js").read_text("utf-8")
MOST_NODES = 3000


def _faults(page: Page, check: str) -> list[str]:
    return list(page.evaluate(f"({CHECKS}).{check}()"))


def _top_entity(server: Any) -> dict[str, Any]:
    return dict(server.call("entities/list", limit=1)["entities"][0])


class TestEntities:
    def test_an_entity_shows_facts_with_sentences_names_and_all_mentions(
        self, page: Page, corpus: Any
    ) -> None:
        entity = _top_entity(corpus)
        page.goto(f"{corpus.url}/entities")
        page.get_by_role("link", name=entity["name"], exact=True).click()
        expect(page.locator("article.fact blockquote").first).to_be_visible()
        page.get_by_role("tab", name="Names").click()
        expect(page.get_by_role("checkbox").first).to_be_visible()
        page.get_by_role("tab", name="Mentions").click()
        rows = page.get_by_role("list", name="Mentions").get_by_role("listitem")
        expect(rows.first).to_have_attribute("aria-setsize", str(entity["n_mentions"]))
        rows.first.get_by_role("link").click()
        expect(page.locator("mark.hit.cur").first).to_be_in_viewport()

    def test_types_filter_the_list(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/entities")
        page.get_by_role("group", name="Filter by type").get_by_role(
            "button", name="People"
        ).click()
        wanted = corpus.call("entities/list", types=["PERSON"])["total"]
        rows = page.get_by_role("list", name="Entities").get_by_role("listitem")
        expect(rows.first).to_have_attribute("aria-setsize", str(wanted))


class TestGraph:
    def test_it_grows_from_one_name_and_a_link_shows_its_sentences(
        self, page: Page, corpus: Any
    ) -> None:
        entity = _top_entity(corpus)
        page.goto(f"{corpus.url}/graph")
        page.get_by_label("Add an entity to the graph").fill(entity["name"][:12])
        page.get_by_role("list", name="Entities").get_by_role("button").first.click()
        canvas = page.get_by_role("img", name="Graph of")
        expect(canvas).to_be_visible()
        side = page.get_by_label("What the graph shows")
        side.locator(".find-row").first.click()
        expect(side.locator("blockquote, .quote").first).to_be_visible()
        page.go_back()
        page.reload()
        expect(canvas).to_be_visible()

    def test_a_node_expands_and_folds(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/graph?at={_top_entity(corpus)['id']}&limit=10")
        side = page.get_by_label("What the graph shows")
        expect(side.locator(".find-row").nth(1)).to_be_visible()
        before = side.locator("h3").first.inner_text()
        side.locator(".find-row").nth(1).click()
        side.get_by_role("button", name="Expand").click()
        expect(side.get_by_role("button", name="Fold")).to_be_visible()
        side.get_by_role("button", name="Fold").click()
        side.get_by_role("button", name="Back to the list").click()
        expect(side.locator("h3").first).to_have_text(before, ignore_case=True)

    def test_it_is_saved_as_a_picture_and_as_data(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/graph?at={_top_entity(corpus)['id']}")
        with page.expect_download() as picture:
            page.get_by_role("button", name="Save as PNG").click()
        assert Path(picture.value.path()).read_bytes().startswith(b"\x89PNG")
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as data:
            page.get_by_role("menuitem", name="GraphML").click()
        assert b"graphml" in Path(data.value.path()).read_bytes()[:400]


def test_what_a_list_shows_is_what_its_export_holds(page: Page, corpus: Any) -> None:
    page.goto(f"{corpus.url}/documents?q=agreement")
    wanted = corpus.call("documents/list", query="agreement")["total"]
    rows = page.get_by_role("list", name="Documents").get_by_role("listitem")
    expect(rows.first).to_have_attribute("aria-setsize", str(wanted))
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as data:
        page.get_by_role("menuitem", name="JSON lines").click()
    assert len(Path(data.value.path()).read_text("utf-8").splitlines()) == wanted


def test_status_accounts_for_every_file_and_checks_the_installation(
    page: Page, corpus: Any
) -> None:
    page.goto(f"{corpus.url}/status")
    expect(page.locator(".figure").first).to_contain_text(str(corpus.call("status/show")["total"]))
    page.get_by_role("tab", name="Checks").click()
    expect(page.locator(".check").first).to_contain_text("Well", timeout=60_000)
    page.get_by_role("tab", name="Settings").click()
    expect(page.get_by_role("table")).to_contain_text("data_dir")


def _views(server: Any) -> dict[str, str]:
    contract = server.document("halden-brightwater-supply-agreement.pdf")["id"]
    entity = _top_entity(server)["id"]
    return {
        "documents": "/documents",
        "document": f"/documents/{contract}",
        "about": f"/documents/{contract}?side=about",
        "search": "/search?q=agreement",
        "passages": "/search?q=agreement&tab=passages",
        "ask": "/ask?q=Which+law+governs+the+supply+agreement%3F",
        "entities": "/entities",
        "entity": f"/entities/{entity}",
        "mentions": f"/entities/{entity}?tab=mentions",
        "graph": f"/graph?at={entity}",
        "status": "/status",
        "jobs": "/status?tab=jobs",
        "dead": "/status?tab=dead",
        "help": "/help",
    }


READY = {
    "documents": ".grid-row .state", "document": ".men", "about": ".dl", "search": ".snippet", "passages": ".result",
    "ask": ".sentence", "entities": ".grid-row .tag", "entity": "article.fact", "mentions": ".mention-row .quote",
    "graph": ".graph-side .find-row", "status": ".figure", "jobs": "h1", "dead": ".empty", "help": ".help .kbd",
}  # fmt: skip


@pytest.mark.parametrize("view", READY)
def test_every_view_can_be_used_without_seeing_it(page: Page, corpus: Any, view: str) -> None:
    page.goto(corpus.url + _views(corpus)[view])
    expect(page.locator(READY[view]).first).to_be_visible(timeout=40_000)
    assert _faults(page, "unnamed") == []
    assert _faults(page, "structure") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_keep_their_contrast(
    context: BrowserContext, page: Page, corpus: Any, scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{corpus.url}/help")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
    assert _faults(page, "contrast") == []


def test_views_fit_a_phone_and_a_small_window(page: Page, corpus: Any) -> None:
    for name, path in _views(corpus).items():
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(corpus.url + path)
        expect(page.locator(READY[name]).first).to_be_visible(timeout=40_000)
        for width in (390, 720):
            page.set_viewport_size({"width": width, "height": 844})
            # The page itself never scrolls, so what sticks out would be cut off: look at its parts.
            wide = page.evaluate(
                "[...document.querySelectorAll('main, main > *, main > * > *, nav')]"
                ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.className)"
            )
            assert wide == [], (name, width)


def test_on_a_phone_the_panes_of_a_document_stand_one_at_a_time(page: Page, corpus: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(corpus.url + _views(corpus)["document"])
    page.locator(".text-pane .men").first.click()
    expect(page.get_by_label("Selected finding")).to_be_in_viewport()
    page.get_by_role("radio", name="Page").click()
    expect(page.locator(".page-pane .box-mark.on").first).to_be_in_viewport()
    expect(page.locator(".text-pane")).to_have_count(0)
    page.get_by_role("radio", name="Findings").click()
    page.locator(".find-row").nth(3).click()
    expect(page.locator(".text-pane .men.on").first).to_be_in_viewport()


class TestKeys:
    def test_a_question_mark_lists_them_and_escape_closes(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("Next finding")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()

    def test_pairs_go_to_views_but_never_while_typing(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.keyboard.press("g")
        page.keyboard.press("e")
        expect(page).to_have_url(f"{corpus.url}/entities")
        expect(page.get_by_role("heading", name="Entities")).to_be_visible()
        page.keyboard.press("/")
        page.keyboard.type("gd?t")
        expect(page.get_by_label("Find an entity")).to_have_value("gd?t")
        expect(page.get_by_role("dialog")).to_be_hidden()

    def test_colours_turn_dark_and_stay_so(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents")
        page.get_by_role("button", name="Dark colours").click()
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")


class TestFaults:
    def test_a_server_that_is_away_is_named_with_what_to_do(self, page: Page, corpus: Any) -> None:
        page.route("**/v1/entities/list", lambda route: route.abort())
        page.goto(f"{corpus.url}/entities")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The server does not answer", timeout=20_000)
        expect(alert).to_contain_text("Start it again")
        page.unroute("**/v1/entities/list")
        alert.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("list", name="Entities")).to_be_visible()

    def test_a_fault_of_the_server_is_told_in_its_words(self, page: Page, corpus: Any) -> None:
        page.route(
            "**/v1/search/documents",
            lambda route: route.fulfill(
                status=422,
                json={
                    "code": "invalid_input",
                    "message": "the phrase is not closed",
                    "context": {},
                },
            ),
        )
        page.goto(f"{corpus.url}/search?q=%22open")
        expect(page.get_by_role("alert")).to_contain_text("the phrase is not closed")

    def test_status_goes_on_by_asking_when_the_stream_is_cut(self, page: Page, corpus: Any) -> None:
        page.route("**/v1/events", lambda route: route.abort())
        page.goto(f"{corpus.url}/documents")
        expect(page.locator(".pulse")).to_contain_text("asking every few seconds", timeout=20_000)


def _long_pdf(path: Path, pages: int) -> None:
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    for number in range(1, pages + 1):
        canvas.setFont("Helvetica", 10)
        for line in range(12):
            words = f"On 4 May {1990 + line % 30} Ingrid Berg of Halden Maritime AS went to Bergen, page {number}, line {line}."
            canvas.drawString(60, 780 - line * 56, words)
        canvas.showPage()
    canvas.save()


def _served(serve: Callable[..., Any], path: Path, pages: int) -> str:
    """Where a document of so many pages is shown."""
    _long_pdf(path, pages)
    server = serve(path)
    return f"{server.url}/documents/{server.document(path.name)['id']}"


def test_a_finding_asked_for_before_it_has_come_is_shown_when_it_has(
    page: Page, serve: Callable[..., Any], tmp_path: Path
) -> None:
    url = _served(serve, tmp_path / "long.pdf", 12)
    held: list[Any] = []
    holds = ["documents/mentions", "documents/page"]

    def hold(route: Any) -> None:
        if any(route.request.url.endswith(name) for name in holds):
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/documents/*", hold)
    page.goto(f"{url}?page=9")
    expect(page.get_by_label("Page", exact=True)).to_have_value("9")
    for _ in range(2):
        page.keyboard.press("j")
    expect(page.locator(".find-row.on")).to_have_count(0)
    holds.clear()
    for route in held:
        route.continue_()
    expect(page.locator(".find-row.on")).to_be_in_viewport()
    expect(page.locator(".text-pane [data-page='9'] .men").nth(1)).to_have_class(
        re.compile(r"\bon\b")
    )


@pytest.mark.slow
def test_a_document_of_200_pages_stays_light(
    page: Page, serve: Callable[..., Any], tmp_path: Path
) -> None:
    url = _served(serve, tmp_path / "long.pdf", 200)
    page.goto(f"{url}?page=150")
    number = page.get_by_label("Page", exact=True)
    count = "document.querySelectorAll('*').length"
    expect(page.locator(".sheet[data-page='150'] .box-mark").first).to_be_visible()
    expect(page.locator(".text-pane [data-page='150'] .men").first).to_be_visible()
    most = [page.evaluate(count)]
    for _ in range(12):
        page.keyboard.press("]")
        most.append(page.evaluate(count))
    expect(number).to_have_value("162")
    expect(page.locator(".sheet[data-page='162'] .box-mark").first).to_be_in_viewport()
    page.locator(".page-pane").hover()
    for _ in range(10):
        page.mouse.wheel(0, 900)
        page.wait_for_timeout(30)
        most.append(page.evaluate(count))
    expect(page.locator(".page-pane .sheet img").first).to_be_visible()
    begun = page.evaluate("performance.now()")
    for _ in range(5):
        page.keyboard.press("j")
    expect(page.locator(".find-row.on")).to_be_in_viewport()
    taken = page.evaluate("performance.now()") - begun
    most.append(page.evaluate(count))
    assert max(most) < MOST_NODES
    assert taken < 5000, "five findings must not take long"
