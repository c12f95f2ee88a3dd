"""`salient labels`: labels of documents, by hand and from files, beside those that classifiers predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from salient.errors import InvalidInput, NotFound
from salient.interfaces.python import Workspace
from salient.interfaces.tables import counting, field, rows
from salient.interfaces.terminal import AsJson, DataDir, opened, out, print_json

labels = typer.Typer(
    help="Labels of documents: people's, and predicted ones.",
    no_args_is_help=True,
    add_completion=False,
)

Scheme = Annotated[
    str, typer.Option("--scheme", "-s", help='What labels are about, such as "subject".')
]
Documents = Annotated[list[str], typer.Argument(help="Ids or names of documents.")]


@labels.command("set")
def set_labels(
    documents: Documents,
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="Once or more; without, none fits.")
    ] = None,
    scheme: Scheme = "label",
    person: Annotated[str, typer.Option(help="Who says so.")] = "local",
    data_dir: DataDir = None,
) -> None:
    """Label documents; no classifier overwrites it."""
    with opened(data_dir) as workspace:
        ids = [found(workspace, name) for name in documents]
        done = workspace.call(
            "labels.set", ids=ids, scheme=scheme, labels=label or [], person=person
        )
    out.print(f"{done.n} labelled")


@labels.command()
def remove(documents: Documents, scheme: Scheme = "label", data_dir: DataDir = None) -> None:
    """Take back labels that people gave."""
    with opened(data_dir) as workspace:
        ids = [found(workspace, name) for name in documents]
        done = workspace.call("labels.remove", ids=ids, scheme=scheme)
    out.print(f"{done.n} taken back")


@labels.command("import")
def import_labels(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv or .jsonl file, also .gz or .xz.")],
    document: Annotated[
        str, typer.Option(help="The column or key of the id or name.")
    ] = "document",
    label: Annotated[str, typer.Option(help="That of the label; a list is several.")] = "label",
    scheme: Scheme = "label",
    person: Annotated[str, typer.Option(help="Who says so.")] = "local",
    data_dir: DataDir = None,
) -> None:
    """Label documents as a file says. All of it is read before anything is written."""
    given: dict[tuple[str, ...], list[str]] = {}
    with opened(data_dir) as workspace:
        known = _known(workspace)
        with counting("reading") as advance:
            for number, row in rows(file):
                name = str(field(row, document, number, file))
                ident = known.get(name, "")
                if not ident:
                    why = "several documents are" if name in known else "no document is"
                    raise NotFound(f"line {number} of {file.name}: {why} called {name!r}")
                said = field(row, label, number, file)
                own = tuple(map(str, said)) if isinstance(said, list) else (str(said),)
                given.setdefault(own, []).append(ident)
                advance(1)
        n = 0
        for own, ids in given.items():
            for first in range(0, len(ids), 10_000):
                request: dict[str, Any] = {"ids": ids[first : first + 10_000], "labels": list(own)}
                n += workspace.call("labels.set", scheme=scheme, person=person, **request).n
    out.print(f"{n} labelled")


@labels.command("list")
def list_labels(
    scheme: Scheme = "label",
    label: Annotated[str | None, typer.Option("--label", "-l", help="Those with this one.")] = None,
    by: Annotated[str | None, typer.Option(help="person or classifier")] = None,
    unsure: Annotated[
        bool, typer.Option("--unsure", help="First those that the classifier was least sure of.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List labelled documents, and how many have which label."""
    with opened(data_dir) as workspace:
        reply = workspace.call("labels.list", scheme=scheme, label=label, by=by, unsure=unsure, limit=limit)  # fmt: skip
    if as_json:
        print_json(reply)
        return
    table = Table("document", "labels", "by", "sure", box=None)
    for one in reply.documents:
        who = one.person or f"{one.model} {(one.version or '')[:8]}"
        sure = "" if one.share is None else f"{one.share:.3f}"
        table.add_row(
            escape(one.document_name), escape(", ".join(one.labels) or "none"), escape(who), sure
        )
    out.print(table)
    counts = Table("label", "by people", "predicted", box=None)
    for count in reply.counts:
        counts.add_row(escape(count.label), f"{count.people:,}", f"{count.predicted:,}")
    out.print(counts)
    out.print(
        f"{reply.total:,} documents; schemes: {escape(', '.join(reply.schemes) or 'none yet')}"
    )


def _known(workspace: Workspace) -> dict[str, str]:
    """Ids of all documents by id and by name; none for a name that several have."""
    ledger = workspace.app.context.ledger
    every = list(ledger.every_id())
    known: dict[str, str] = {}
    for first in range(0, len(every), 500):
        for ident, row in ledger.rows(every[first : first + 500]).items():
            known[row.name] = "" if row.name in known else ident
    return known | {ident: ident for ident in every}


def found(workspace: Workspace, name: str) -> str:
    """The id of a document by its id or its whole name.

    Raises:
        NotFound: there is none.
        InvalidInput: several are called so.
    """
    ledger = workspace.app.context.ledger
    if ledger.rows([name]):
        return name
    same = [d.id for d in workspace.documents(query=name, limit=1000).documents if d.name == name]
    if not same:
        raise NotFound(f"there is no document {name!r}")
    if len(same) > 1:
        raise InvalidInput(f"{len(same)} documents are called {name!r}: give an id")
    return same[0]
