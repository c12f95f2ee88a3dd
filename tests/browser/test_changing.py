"""Adding, deleting, correcting: what changes a workspace through the page."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.flows.test_copies import at_site

DROP = """files => {
    const transfer = new DataTransfer();
    for (const [name, content] of files) {
        transfer.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name));
    }
    const at = document.querySelector("main");
    for (const kind of ["dragenter", "dragover", "drop"]) {
        at.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
        if (kind === "dragover") window.wasOffered = new Promise(r => setTimeout(() => r(!!document.querySelector(".drop")), 60));
    }
}"""


def _drop(page: Page, **files: bytes) -> None:
    page.evaluate(
        DROP, [[n.replace("__", "."), base64.b64encode(b).decode()] for n, b in files.items()]
    )


class TestAdding:
    def test_dropped_files_are_added_with_progress_and_all_accounted_for(
        self, page: Page, scratch: Any
    ) -> None:
        page.goto(f"{scratch.url}/search")
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        before = scratch.call("status/show")["total"]
        note = "Harbour note\n\nOn 3 May 2024 Ingrid Berg of Halden Maritime AS visited Bergen.\n"
        _drop(page, note__txt=note.encode(), broken__pdf=b"%PDF-1.7\nthis is cut off")
        panel = page.get_by_role("region", name="Files being added")
        expect(panel).to_be_visible()
        expect(panel.get_by_role("progressbar").first).to_be_visible()
        expect(panel).to_contain_text("All files are accounted for", timeout=60_000)
        page.get_by_role("link", name="Documents").first.click()
        rows = page.get_by_role("list", name="Documents").get_by_role("listitem")
        expect(rows.first).to_have_attribute("aria-setsize", str(before + 2))
        expect(
            rows.filter(has_text="note.txt").or_(rows.filter(has_text="Harbour note")).first
        ).to_contain_text("Done")
        broken = rows.filter(has_text="broken.pdf")
        expect(broken.locator(".reason")).not_to_be_empty()

    def test_files_chosen_by_dialog_appear_without_a_reload(self, page: Page, scratch: Any) -> None:
        page.goto(f"{scratch.url}/documents")
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Add files").click()
        chooser.value.set_files(
            [
                {
                    "name": "memo.md",
                    "mimeType": "text/markdown",
                    "buffer": b"# Memo\n\nVolta Cell GmbH of Stuttgart.\n",
                }
            ]
        )
        row = (
            page.get_by_role("list", name="Documents")
            .get_by_role("listitem")
            .filter(has_text="memo.md")
        )
        expect(row.locator(".state")).to_have_text("Done", timeout=60_000)

    def test_an_upload_that_is_refused_says_why(self, page: Page, scratch: Any) -> None:
        page.route(
            "**/v1/uploads",
            lambda route: route.fulfill(
                status=413,
                json={
                    "code": "limit_exceeded",
                    "message": "'x' is larger than web.max_upload_bytes",
                    "context": {},
                },
            ),
        )
        page.goto(f"{scratch.url}/documents")
        expect(page.get_by_role("list", name="Documents")).to_be_visible()
        _drop(page, x__txt=b"x")
        expect(page.get_by_role("region", name="Files being added")).to_contain_text(
            "larger than web.max_upload_bytes"
        )


class TestDeleting:
    def test_a_document_goes_only_after_the_question(self, page: Page, scratch: Any) -> None:
        page.goto(f"{scratch.url}/documents")
        rows = page.get_by_role("list", name="Documents").get_by_role("listitem")
        expect(rows.first).to_be_visible()
        before = int(rows.first.get_attribute("aria-setsize") or 0)
        rows.first.hover()
        rows.first.get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Keep").click()
        expect(dialog).to_be_hidden()
        assert scratch.call("status/show")["total"] == before
        rows.first.hover()
        rows.first.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(rows.first).to_have_attribute("aria-setsize", str(before - 1))

    def test_a_document_can_be_read_again(self, page: Page, scratch: Any) -> None:
        page.goto(f"{scratch.url}/documents")
        rows = page.get_by_role("list", name="Documents").get_by_role("listitem")
        rows.first.get_by_role("checkbox").check()
        page.get_by_role("region", name="Selected documents").get_by_role(
            "button", name="Read again"
        ).click()
        expect(page.get_by_role("region", name="Selected documents")).to_be_hidden()
        page.goto(f"{scratch.url}/status?tab=jobs")
        expect(page.locator("article").first).to_contain_text(re.compile("Done|Running"))


class TestCorrecting:
    def test_a_new_name_holds_and_can_be_taken_back(self, page: Page, scratch: Any) -> None:
        entity = scratch.call("entities/list", limit=1)["entities"][0]
        page.goto(f"{scratch.url}/entities/{entity['id']}")
        page.get_by_role("button", name="Rename").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("Quite Another Name")
        dialog.get_by_role("button", name="Save").click()
        title = page.get_by_role("heading", level=1)
        expect(title).to_have_text("Quite Another Name")
        page.get_by_role("tab", name="History").click()
        page.get_by_role("button", name="Undo").first.click()
        expect(title).to_have_text(entity["name"])
        expect(page.get_by_text("Taken back")).to_be_visible()

    def test_two_become_one_under_the_name_chosen_and_come_apart_again(
        self, page: Page, scratch: Any
    ) -> None:
        first, second = scratch.call("entities/list", types=["ORG"], limit=2)["entities"]
        before = scratch.call("entities/list")["total"]
        page.goto(f"{scratch.url}/entities?type=ORG")
        for entity in (first, second):
            page.get_by_label(f"Select {entity['name']}", exact=True).check()
        page.get_by_role("button", name="Merge").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("radio").nth(1).check()
        expect(dialog.get_by_role("button", name=re.compile("Merge into"))).to_contain_text(
            second["name"]
        )
        dialog.get_by_role("button", name=re.compile("Merge into")).click()
        title = page.get_by_role("heading", level=1)
        expect(title).to_have_text(second["name"])
        assert scratch.call("entities/list")["total"] == before - 1
        page.get_by_role("tab", name="History").click()
        merged = page.get_by_role("listitem").filter(has_text="Merged")
        merged.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Taken back")).to_be_visible()
        assert scratch.call("entities/list")["total"] == before

    def test_the_other_half_of_a_merge_is_found_by_name_on_a_phone_too(
        self, page: Page, corpus: Any
    ) -> None:
        first, second = corpus.call("entities/list", types=["ORG"], limit=2)["entities"]
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{corpus.url}/entities/{first['id']}")
        page.get_by_role("button", name="Merge").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("The other entity").fill(second["name"])
        dialog.get_by_role("button", name=second["name"]).click()
        merge = dialog.get_by_role("button", name=re.compile("Merge into"))
        expect(merge).to_be_in_viewport(ratio=1)
        dialog.get_by_role("button", name="Keep apart").click()
        expect(dialog).to_be_hidden()

    def test_a_fact_is_judged(self, page: Page, scratch: Any) -> None:
        fact = scratch.call("facts/list", limit=1)["facts"][0]
        page.goto(f"{scratch.url}/entities/{fact['subject']}")
        card = page.locator("article.fact").first
        card.get_by_role("button", name="This is right").click()
        expect(page.locator("article.fact.accepted").first).to_contain_text("Accepted")


class TestCopies:
    def test_a_story_of_several_sites_is_one_source_until_somebody_parts_them(
        self, page: Page, serve: Any, tmp_path: Path
    ) -> None:
        for n in range(4):
            (tmp_path / f"site{n}.txt").write_text(at_site(n))
        server = serve(tmp_path)
        page.goto(f"{server.url}/search?q=yard+ferries")
        hits = page.get_by_role("list", name="Found").get_by_role("listitem")
        expect(hits).to_have_count(1)
        hits.get_by_role("link", name="also in 3 documents").click()
        copies = page.get_by_role("region", name="Copies")
        expect(copies).to_contain_text("The same in 3 other documents")
        expect(page.get_by_role("tab", name="Similar")).to_contain_text("3")
        copies.get_by_role("button", name="Not a copy").first.click()
        expect(copies).to_contain_text("is a source of its own")
        expect(copies).to_contain_text("The same in 2 other documents")
        copies.get_by_role("button", name="Undo").click()
        expect(copies).to_contain_text("The same in 3 other documents")
        expect(copies.get_by_role("button", name="Undo")).to_have_count(0)


class TestLabels:
    def test_labels_narrow_a_search(self, page: Page, scratch: Any) -> None:
        one, other = scratch.call("documents/list", limit=2, states=["done"])["documents"]
        scratch.call("labels/set", ids=[one["id"], other["id"]], scheme="desk", labels=["north"])
        scratch.call("labels/set", ids=[other["id"]], scheme="desk", labels=["north", "late"])
        page.goto(f"{scratch.url}/search?f.labelled=desk/north")
        labels = page.get_by_role("region", name="Labels")
        expect(labels.locator(".facet.in")).to_contain_text("desk: north")
        tab = page.get_by_role("tab", name="Documents")
        expect(tab.locator(".n")).to_have_text("2")
        labels.get_by_role("button", name="Leave out desk: late").click()
        expect(tab.locator(".n")).to_have_text("1")
        page.reload()
        expect(labels.locator(".facet.out")).to_contain_text("desk: late")
        scratch.call("labels/remove", ids=[one["id"], other["id"]], scheme="desk")

    def test_a_document_is_labelled_and_the_label_taken_back(
        self, page: Page, scratch: Any
    ) -> None:
        document = scratch.call("documents/list", limit=1, states=["done"])["documents"][0]
        page.goto(f"{scratch.url}/documents/{document['id']}?side=about")
        labels = page.get_by_role("region", name="Labels")
        labels.get_by_label("Scheme").fill("subject")
        for label in ("patents", "pumps"):
            labels.get_by_label("Label", exact=True).fill(label)
            labels.get_by_role("button", name="Add").click()
            expect(labels.locator(".tag", has_text=label)).to_be_visible()
        (said,) = scratch.call("labels/show", ids=[document["id"]])["labels"]
        assert (said["scheme"], said["labels"], said["by"]) == ("subject", ["patents", "pumps"], "person")  # fmt: skip
        page.reload()
        expect(labels).to_contain_text("patents")
        labels.get_by_role("button", name="Take the subject back").click()
        expect(labels.locator(".tag")).to_have_count(0)
        assert scratch.call("labels/show", ids=[document["id"]])["labels"] == []
