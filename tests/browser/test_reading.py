"""Documents, one document, search and ask: reading, on the example corpus."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from playwright.sync_api import Page, expect

CONTRACT = "halden-brightwater-supply-agreement.pdf"
ON = re.compile(r"(^|\s)on(\s|$)")  # among an element's classes
QUESTIONS = Path(__file__).resolve().parents[2] / "examples" / "questions.yaml"


def _state(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def _number(text: str) -> int:
    return int("".join(c for c in text if c.isdigit()) or 0)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


class TestDocuments:
    def test_every_file_is_listed_with_its_state(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/")
        expect(page).to_have_url(f"{corpus.url}/documents")
        rows = page.get_by_role("list", name="Documents").get_by_role("listitem")
        expect(rows.first).to_be_visible()
        assert (
            int(rows.first.get_attribute("aria-setsize") or 0)
            == corpus.call("status/show")["total"]
        )
        for row in rows.all()[:8]:
            expect(row.locator(".state")).to_be_visible()

    def test_a_state_filter_counts_right_and_survives_a_reload(
        self, page: Page, corpus: Any
    ) -> None:
        page.goto(f"{corpus.url}/documents")
        chip = page.get_by_role("group", name="Filter by state").get_by_role("button", name="Done")
        chip.click()
        wanted = corpus.call("documents/list", states=["done"])["total"]
        rows = page.get_by_role("list", name="Documents").get_by_role("listitem")
        expect(rows.first).to_have_attribute("aria-setsize", str(wanted))
        assert _number(chip.inner_text()) == wanted
        page.reload()
        expect(chip).to_have_attribute("aria-pressed", "true")
        expect(rows.first).to_have_attribute("aria-setsize", str(wanted))

    def test_a_name_finds_its_document_and_enter_opens_it(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents")
        expect(page.get_by_label("Find by name")).to_be_visible()
        page.keyboard.press("/")
        page.keyboard.type("brightwater-supply")
        rows = page.get_by_role("list", name="Documents").get_by_role("listitem")
        expect(rows).to_have_count(1)
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Supply Agreement")

    def test_a_name_that_nothing_has_offers_a_way_back(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents?q=zzzz")
        page.get_by_role("button", name="Clear the filters").click()
        expect(
            page.get_by_role("list", name="Documents").get_by_role("listitem").first
        ).to_be_visible()


class TestDocument:
    def test_text_page_and_list_step_together(self, page: Page, corpus: Any) -> None:
        document = corpus.document(CONTRACT)
        page.goto(f"{corpus.url}/documents/{document['id']}")
        expect(page.locator(".men").first).to_be_visible()
        expect(page.locator(".find-row").first).to_be_visible()
        page.keyboard.press("j")
        page.keyboard.press("j")
        chosen = page.locator(".find-row.on")
        expect(chosen).to_have_count(1)
        ordinal = _state(page)["m"][0]
        mark = page.locator(f".text-pane [data-m='{ordinal}']")
        expect(mark).to_have_class(ON)
        expect(page.locator(f".page-pane [data-m='{ordinal}']")).to_have_class(ON)
        found = corpus.call("documents/mentions", id=document["id"], limit=1000)["mentions"]
        (mention,) = (m for m in found if m["ordinal"] == int(ordinal))
        assert _squeezed(mention["surface"]) in _squeezed(chosen.inner_text())
        expect(page.get_by_label("Selected finding")).to_contain_text(_squeezed(mention["surface"]))
        page.keyboard.press("k")
        place = {str(m["ordinal"]): i for i, m in enumerate(found)}
        assert place[_state(page)["m"][0]] == place[ordinal] - 1

    def test_boxes_lie_exactly_on_their_words(self, page: Page, corpus: Any) -> None:
        document = corpus.document(CONTRACT)
        page.goto(f"{corpus.url}/documents/{document['id']}")
        expect(page.locator(".box-mark").first).to_be_visible()
        reply = corpus.call("documents/page", id=document["id"], page=1)
        sheet = page.locator(".sheet[data-page='1']").bounding_box()
        assert sheet is not None
        assert sheet["height"] / sheet["width"] == pytest.approx(
            reply["height_pt"] / reply["width_pt"], rel=0.005
        )
        checked = 0
        for mention in reply["mentions"][:10]:
            box = page.locator(f".page-pane [data-m='{mention['ordinal']}']").bounding_box()
            assert box is not None
            x0, y0 = mention["boxes"][0]["x0"], mention["boxes"][0]["y0"]
            assert (box["x"] - sheet["x"]) / sheet["width"] == pytest.approx(x0, abs=0.004)
            assert (box["y"] - sheet["y"]) / sheet["height"] == pytest.approx(y0, abs=0.004)
            checked += 1
        assert checked

    def test_a_click_on_a_word_in_the_text_selects_it_on_the_page(
        self, page: Page, corpus: Any
    ) -> None:
        page.goto(f"{corpus.url}/documents/{corpus.document(CONTRACT)['id']}")
        page.locator(".text-pane .men").nth(2).click()
        ordinal = _state(page)["m"][0]
        expect(page.locator(f".page-pane [data-m='{ordinal}']")).to_have_class(ON)
        page.keyboard.press("Escape")
        expect(page.locator(".men.on")).to_have_count(0)

    def test_a_hidden_type_leaves_text_and_page_and_stays_hidden(
        self, page: Page, corpus: Any
    ) -> None:
        page.goto(f"{corpus.url}/documents/{corpus.document(CONTRACT)['id']}")
        page.get_by_role("group", name="Types shown").get_by_role(
            "button", name="Organisations"
        ).click()
        expect(page.locator(".text-pane .men.hue-blue")).to_have_count(0)
        expect(page.locator(".box-mark.hue-blue")).to_have_count(0)
        page.reload()
        expect(page.locator(".text-pane .men").first).to_be_visible()
        expect(page.locator(".text-pane .men.hue-blue")).to_have_count(0)

    def test_matches_are_stepped_through_over_pages(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents/{corpus.document(CONTRACT)['id']}")
        page.get_by_label("Find in this document").fill("supplier")
        expect(page.locator("mark.hit.cur").first).to_be_visible()
        page.keyboard.press("Escape")
        seen = []
        for _ in range(3):
            page.keyboard.press("n")
            expect(page.locator("mark.hit.cur").first).to_be_in_viewport()
            seen.append(_state(page)["start"][0])
        assert len(set(seen)) == 3
        page.keyboard.press("N")
        assert _state(page)["start"][0] == seen[1]

    def test_an_address_opens_the_page_at_the_marked_passage(self, page: Page, corpus: Any) -> None:
        document = corpus.document(CONTRACT)
        last = corpus.call("documents/page", id=document["id"], page=document["n_pages"])
        block = [b for b in last["blocks"] if b["kind"] == "paragraph"][-1]
        page.goto(
            f"{corpus.url}/documents/{document['id']}?page={document['n_pages']}&start={block['start']}&end={block['end']}"
        )
        expect(page.locator("mark.hit.cur").first).to_be_in_viewport()
        expect(page.locator(".hit-box").first).to_be_in_viewport()
        expect(page.get_by_label("Page", exact=True)).to_have_value(str(document["n_pages"]))

    def test_tables_are_tables(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents/{corpus.document(CONTRACT)['id']}?view=text")
        table = page.locator(".b-table table").first
        expect(table).to_be_visible()
        assert table.locator("tr").count() >= 3

    @pytest.mark.parametrize("name", ["okafor-employment-agreement.docx", "berth-scheduling.txt"])
    def test_formats_without_page_pictures_show_their_text(
        self, page: Page, corpus: Any, name: str
    ) -> None:
        page.goto(f"{corpus.url}/documents/{corpus.document(name)['id']}")
        expect(page.locator(".text-pane .men").first).to_be_visible()
        expect(page.locator(".page-pane")).to_have_count(0)
        page.keyboard.press("j")
        expect(page.locator(".men.on").first).to_be_in_viewport()

    def test_a_scan_shows_findings_on_its_picture(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents/{corpus.document('osprey-charter-scan.pdf')['id']}")
        expect(page.locator(".box-mark").first).to_be_visible()
        expect(page.get_by_text("read from the picture").first).to_be_visible()

    def test_what_is_known_and_what_is_alike_stand_beside_it(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents/{corpus.document(CONTRACT)['id']}")
        page.get_by_role("tab", name="About").click()
        expect(page.get_by_role("region", name="About the document")).to_contain_text(
            "How it was read"
        )
        page.get_by_role("tab", name="Similar").click()
        expect(
            page.get_by_role("region", name="Similar documents").locator("article").first
        ).to_be_visible()

    def test_facts_lead_to_the_sentence_that_states_them(self, page: Page, corpus: Any) -> None:
        document = corpus.document(CONTRACT)
        stated = corpus.call("facts/list", document=document["id"])
        assert stated["total"]
        page.goto(f"{corpus.url}/documents/{document['id']}?side=facts")
        said = page.get_by_role("region", name="Facts of the document").locator("article")
        expect(said).to_have_count(min(stated["total"], 50))
        said.last.get_by_role("button").click()
        expect(page.locator("mark.hit.cur").first).to_be_in_viewport()
        expect(page.locator(".hit-box").first).to_be_in_viewport()

    def test_an_archive_leads_to_what_is_inside_it(self, page: Page, corpus: Any) -> None:
        page.goto(
            f"{corpus.url}/documents/{corpus.document('northgate-board-papers.zip')['id']}?side=about"
        )
        inside = page.get_by_text("Inside and around").locator("..").get_by_role("link").first
        inside.click()
        expect(page.locator(".doc-head")).to_contain_text("inside")

    def test_a_document_that_is_gone_says_so_with_a_way_back(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents/0123456789")
        expect(page.get_by_role("alert")).to_contain_text("It may have been deleted")
        page.get_by_role("link", name="All documents").click()
        expect(page).to_have_url(f"{corpus.url}/documents")


class TestSearch:
    def test_a_hit_opens_its_document_at_the_passage_with_the_words_carried(
        self, page: Page, corpus: Any
    ) -> None:
        page.goto(f"{corpus.url}/search")
        page.get_by_label("Search all documents").fill("liquidated damages")
        hit = page.locator(".snippet mark").first
        expect(hit).to_be_visible()
        hit.click()
        expect(page.get_by_label("Find in this document")).to_have_value("liquidated damages")
        expect(page.locator("mark.hit").first).to_be_visible()
        assert {"start", "end", "q"} <= set(_state(page))

    def test_facets_take_in_and_leave_out_and_the_address_keeps_them(
        self, page: Page, corpus: Any
    ) -> None:
        page.goto(f"{corpus.url}/search?q=agreement")
        kind = page.get_by_role("region", name="Kind")
        pdf = kind.get_by_role("button", name="PDF", exact=False).first
        expect(pdf).to_be_visible()
        wanted = _number(pdf.locator(".n").inner_text())
        pdf.click()
        tab = page.get_by_role("tab", name="Documents")
        expect(tab.locator(".n")).to_have_text(str(wanted))
        expect(pdf).to_have_attribute("aria-pressed", "true")
        page.reload()
        expect(tab.locator(".n")).to_have_text(str(wanted))
        page.get_by_role("button", name="Clear all filters").click()
        kind.locator(".facet").first.hover()
        kind.get_by_role("button", name="Leave out PDF").click()
        everything = corpus.call("search/documents", text="agreement", limit=1)["total"]
        expect(tab.locator(".n")).to_have_text(str(everything - wanted))
        page.go_back()
        expect(tab.locator(".n")).to_have_text(str(everything))

    def test_the_three_tabs_show_their_kind(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/search?q=halden")
        expect(page.get_by_role("list", name="Found").get_by_role("listitem").first).to_be_visible()
        page.get_by_role("tab", name="Passages").click()
        expect(page.locator(".result .quote mark").first).to_be_visible()
        page.get_by_role("tab", name="Entities").click()
        page.get_by_role("list", name="Entities").get_by_role("link").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Halden")

    def test_nothing_found_offers_a_next_step(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/search?q=zzqqxxyy&mode=keyword")
        expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()
        expect(page.get_by_role("link", name="Ask it as a question")).to_be_visible()


class TestAsk:
    def test_an_answer_quotes_a_sentence_and_shows_it_on_its_page(
        self, page: Page, corpus: Any
    ) -> None:
        question, reply = next(
            (q["question"], reply)
            for q in yaml.safe_load(QUESTIONS.read_text("utf-8"))["answerable"]
            if q["documents"][0].endswith(".pdf")
            and (reply := corpus.call("ask/answer", question=q["question"], limit=5))["found"]
        )
        page.goto(f"{corpus.url}/ask")
        page.get_by_label("Your question").fill(question)
        page.keyboard.press("Enter")
        answer = page.get_by_role("region", name="Answer")
        expect(answer).to_be_visible(timeout=40_000)
        quoted = _squeezed("".join(p["text"] for p in reply["sentences"][0]["quote"]["pieces"]))
        assert quoted in _squeezed(answer.locator("blockquote").first.inner_text())
        expect(page.locator(".cited .hit-box").first).to_be_in_viewport()
        assert _state(page)["q"] == [question]
        page.get_by_label("The page cited").get_by_role("link", name="Open").click()
        expect(page.locator("mark.hit.cur").first).to_be_in_viewport()

    def test_what_the_documents_do_not_say_is_not_answered(self, page: Page, corpus: Any) -> None:
        refused = next(
            q["question"]
            for q in yaml.safe_load(QUESTIONS.read_text("utf-8"))["unanswerable"]
            if not corpus.call("ask/answer", question=q["question"], limit=5)["found"]
        )
        page.goto(f"{corpus.url}/ask")
        page.get_by_label("Your question").fill(refused)
        page.get_by_role("button", name="Ask", exact=True).click()
        answer = page.get_by_role("region", name="Answer")
        expect(answer).to_contain_text("Not found in your documents", timeout=40_000)
        expect(answer.locator("mark")).to_have_count(0)
        page.locator(".looked > summary").click()
        page.get_by_role("button", name="Show the page").first.click()
        expect(page.get_by_label("The page cited")).to_be_visible()

    def test_a_question_can_be_kept_to_one_document(self, page: Page, corpus: Any) -> None:
        page.goto(f"{corpus.url}/documents/{corpus.document(CONTRACT)['id']}")
        page.get_by_role("link", name="Ask about it").click()
        expect(page.get_by_text("Only in Supply Agreement")).to_be_visible()
        page.get_by_label("Your question").fill("Which law governs this agreement?")
        page.keyboard.press("Enter")
        sources = page.get_by_role("region", name="Answer").locator(".source")
        expect(sources.first).to_be_visible(timeout=40_000)
        assert all("Supply Agreement" in s for s in sources.all_inner_texts())
