"""Patterns on the page: typed, found, opened, exported, saved as a rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

NEWS = (
    "Halden Maritime AS of Bergen has acquired Volta Cell GmbH, a battery maker in Stuttgart. "
    "Kestrel Capital LLC swallowed Brightwater Ltd. in March 2024."
)
PATTERN = "buyer:ORG <nsubj- (acquire|swallow) -obj-> target:ORG"


@pytest.fixture(scope="module")
def news(serve: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("in") / "news.txt"
    file.write_text(NEWS)
    return serve(file)


def test_a_pattern_makes_a_table_that_opens_the_document(page: Page, news: Any) -> None:
    page.goto(f"{news.url}/search")
    page.get_by_role("tab", name="Grammar").click()
    page.get_by_label("Pattern").fill(PATTERN)
    table = page.get_by_role("table", name="Matches")
    expect(table.get_by_role("row")).to_have_count(3)
    expect(table.get_by_role("columnheader", name="buyer")).to_be_visible()
    expect(table.get_by_role("cell", name="Volta Cell GmbH", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_label("Pattern")).to_have_value(PATTERN)
    table.locator("a.quote", has_text="Kestrel Capital LLC").click()
    expect(page.locator("mark.hit").first).to_be_in_viewport()


def test_a_mistake_is_marked_where_it_is(page: Page, news: Any) -> None:
    page.goto(f"{news.url}/search?tab=grammar")
    page.get_by_label("Pattern").fill("ORG <nsubj- acquire -sbj-> ORG")
    expect(page.get_by_role("alert")).to_contain_text("did you mean 'nsubj'?")
    expect(page.locator(".pattern-ink .wrong")).to_have_text("sbj->")
    page.get_by_label("Pattern").fill("ORG <nsubj- acquire -obj-> ORG")
    expect(page.get_by_role("table", name="Matches")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_matches_are_exported(page: Page, news: Any) -> None:
    page.goto(f"{news.url}/search?tab=grammar&p=ORG")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as data:
        page.get_by_role("menuitem", name="CSV").click()
    assert "Brightwater" in Path(data.value.path()).read_text("utf-8")


def test_a_rule_is_previewed_saved_applied_and_removed(page: Page, news: Any) -> None:
    page.goto(f"{news.url}/search?tab=grammar")
    page.get_by_label("Pattern").fill(PATTERN)
    page.get_by_role("button", name="Save as rule").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("swallowing")
    dialog.get_by_label("States").select_option("acquired")
    expect(dialog.get_by_text("known already")).to_be_visible()
    expect(dialog.get_by_text("new", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Save the rule").click()
    saved = page.get_by_role("region", name="Saved rules")
    expect(saved.get_by_text("swallowing")).to_be_visible()
    saved.get_by_role("button", name="Read them again").click()
    expect(saved.get_by_text("read with other rules")).to_have_count(0)
    page.get_by_role("button", name="Remove the rule swallowing").click()
    expect(saved.get_by_text("swallowing")).to_have_count(0)
