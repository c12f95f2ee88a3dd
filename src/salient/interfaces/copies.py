"""`salient copies`: documents that say the same; `salient quoted`: where a passage stands."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from salient.errors import NotFound
from salient.interfaces.python import Workspace
from salient.interfaces.terminal import AsJson, DataDir, opened, out, print_json
from salient.knowledge.copies.sketch import Why

WHY = {
    Why.BYTES: "the same bytes",
    Why.SAME: "the same words",
    Why.PART: "a part of the other",
    Why.RETOLD: "retold: title or beginning, names and numbers are the same",
    None: "a copy of the same third document, or a person said so",
}


def copies(
    document: Annotated[
        str | None, typer.Argument(help="Its copies alone: an id or part of a name.")
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option("--not", help="This one is no copy of it, by id; repeatable."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List documents that say the same in the same words: each group counts as one source."""
    with opened(data_dir) as workspace:
        if document is None:
            reply = workspace.call("copies.list", limit=limit)
        else:
            ident = _found(workspace, document)
            if part:
                workspace.call("copies.decide", id=ident, others=tuple(part), copies=False)
            reply = workspace.call("copies.show", id=ident)
    if as_json:
        print_json(reply)
        return
    if document is not None:
        for copy in reply.copies:
            shown = copy.document
            out.print(
                f"{copy.similarity:.2f}  [bold]{escape(shown.title or shown.name)}[/] "
                f"[dim]{shown.id} {escape(shown.name)}[/]  {WHY[copy.why]}"
            )
        if not reply.copies:
            out.print("no other document says the same")
        return
    table = Table("documents", "title", "names", box=None)
    for group in reply.groups:
        first, *_ = group.documents
        names = [d.name for d in group.documents]
        more = f" and {group.n - len(names)} more" if group.n > len(names) else ""
        table.add_row(
            str(group.n), escape(first.title or first.name), escape(", ".join(names)) + more
        )
    if reply.groups:
        out.print(table)
    groups = "group" if reply.total == 1 else "groups"
    out.print(f"{reply.n_documents:,} documents in {reply.total:,} {groups}")


def quoted(
    passage: str,
    share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="How much of it must stand there.")
    ] = 0.6,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=40)] = 10,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Find the documents that quote a passage, word by word or nearly, and where."""
    with opened(data_dir) as workspace:
        reply = workspace.call("copies.quoted", text=passage, share=share, limit=limit)
    if as_json:
        print_json(reply)
        return
    for place in reply.places:
        said = place.quote
        page = f"page {said.page}, " if said.page else ""
        words = " ".join("".join(p.text for p in said.pieces).split())
        out.print(
            f"{place.share:.0%}  [bold]{escape(said.document_name)}[/] "
            f"[dim]{page}characters {said.start} to {said.end}[/]\n    {escape(words[:300])}"
        )
    if not reply.places:
        out.print("no document quotes it")


def _found(workspace: Workspace, text: str) -> str:
    found = workspace.call("documents.list", query=text, limit=1).documents
    try:
        return str(workspace.call("documents.show", id=text).document.id)
    except NotFound:
        if not found:
            raise
        return str(found[0].id)
