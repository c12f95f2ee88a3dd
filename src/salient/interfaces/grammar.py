"""`salient grammar`: patterns over words and dependencies; `salient rules`: those that state facts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from salient.errors import InvalidInput
from salient.interfaces.jobs import here
from salient.interfaces.terminal import AsJson, DataDir, err, opened, out, print_json, watched
from salient.services import exports

rules = typer.Typer(
    help="Rules of extraction, made of patterns.", no_args_is_help=True, add_completion=False
)

Pattern = Annotated[str, typer.Argument(help="Such as: ORG <nsubj- acquire -obj-> ORG")]
Subject = Annotated[str, typer.Option("--subject", "-s", help="The slot of the subject.")]
Object = Annotated[str, typer.Option("--object", "-o", help="The slot of the object.")]
Qualifiers = Annotated[
    list[str] | None,
    typer.Option("--qualifier", "-q", help="QUALIFIER=SLOT, such as date=when; repeatable."),
]
Confidence = Annotated[float, typer.Option(min=0.01, max=1.0, help="That such a match is right.")]
Predicate = Annotated[str, typer.Argument(help="What it states, such as acquired.")]


def grammar(
    pattern: Pattern,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)] = 20,
    seconds: Annotated[float, typer.Option(min=0.1, max=120, help="For how long to look.")] = 20.0,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="A file for all matches; its ending names the form."),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Find a pattern of words and dependencies; slots that it names are columns."""
    if to is not None:
        _export(pattern, to, data_dir)
        return
    with opened(data_dir) as workspace, watched("searching") as report:
        reply = workspace.call("grammar.search", report, pattern=pattern, limit=limit, seconds=seconds)  # fmt: skip
    if as_json:
        print_json(reply)
        return
    table = Table("document", "page", *reply.slots, "sentence", box=None)
    for match in reply.matches:
        filled = {f.slot: f.text for f in match.filled if f.slot}
        sentence = Text()
        for piece in match.quote.pieces:
            said = " ".join(piece.text.split("\n"))
            sentence.append(said, style="bold yellow" if piece.hit else "")
        table.add_row(
            escape(match.quote.document_name),
            str(match.quote.page or ""),
            *(escape(filled.get(slot, "")) for slot in reply.slots),
            sentence,
        )
    if reply.matches:
        out.print(table)
    more = "" if reply.complete else "; time ran out, there may be more: raise --seconds"
    out.print(
        f"{reply.total:,} matches in {reply.n_documents:,} of {reply.n_searched:,} documents, "
        f"{reply.seconds:.2f} s{more}"
    )


def _export(pattern: str, to: Path, data_dir: Path | None) -> None:
    request = exports.request_of("grammar", to.suffix.lstrip("."), {"pattern": pattern})
    partial = to.with_name(to.name + ".partial")
    with opened(data_dir) as workspace:
        chunks = exports.stream(request, workspace.app.context)
        with partial.open("wb") as file:
            size = sum(file.write(chunk) for chunk in chunks)
    partial.replace(to)
    err.print(f"{size:,} bytes written to {escape(str(to))}")


@rules.command("list")
def list_rules(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the rules that are saved."""
    with opened(data_dir) as workspace:
        reply = workspace.call("grammar.rules")
    if as_json:
        print_json(reply)
        return
    table = Table("id", "predicate", "subject", "object", "pattern", "sentences", "name", box=None)
    for rule in reply.rules:
        cells = (rule.id, rule.predicate, rule.subject, rule.object, rule.pattern)
        table.add_row(*map(escape, cells), f"{rule.n_findings:,}", escape(rule.name))
    out.print(table)
    for rule in reply.rules:
        if rule.fault:
            out.print(f"  [yellow]{rule.id} is not used[/]: {escape(rule.fault)}")
    if reply.n_stale:
        out.print(f"{reply.n_stale:,} documents were read with other rules: salient rules apply")


@rules.command()
def preview(
    predicate: Predicate,
    pattern: Pattern,
    subject: Subject = "subject",
    object_: Object = "object",
    qualifier: Qualifiers = None,
    confidence: Confidence = 0.8,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the facts that a rule would give."""
    body = _body(predicate, pattern, subject, object_, qualifier, confidence)
    with opened(data_dir) as workspace:
        reply = workspace.call("grammar.preview", **body)
    if as_json:
        print_json(reply)
        return
    for fact in reply.facts:
        mark = "[dim]known[/]" if fact.is_known else "[green]new[/]  "
        more = "".join(f" {k}: {v}" for k, v in fact.qualifiers.items())
        out.print(
            f"{mark} [bold]{escape(fact.subject)}[/] {escape(fact.predicate_label)} "
            f"[bold]{escape(fact.object)}[/][dim]{escape(more)} {fact.confidence:.2f}[/]"
        )
        out.print(f"      {escape(' '.join(fact.quote.text.split()))}")
    out.print(
        f"{reply.total:,} facts; the pattern fits {reply.n_matching:,} of the newest "
        f"{reply.n_documents:,} documents"
    )


@rules.command()
def save(
    predicate: Predicate,
    pattern: Pattern,
    subject: Subject = "subject",
    object_: Object = "object",
    qualifier: Qualifiers = None,
    confidence: Confidence = 0.8,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Save a rule: documents read from now on get facts by it."""
    body = _body(predicate, pattern, subject, object_, qualifier, confidence)
    with opened(data_dir) as workspace:
        saved = workspace.call("grammar.save", name=name, **body)
    out.print(f"saved as {saved.id}; salient rules apply reads the documents that are here by it")


@rules.command()
def remove(ident: Annotated[str, typer.Argument()], data_dir: DataDir = None) -> None:
    """Remove a rule; its facts go when documents are read again."""
    with opened(data_dir) as workspace:
        n = workspace.call("grammar.remove", id=ident).n
    out.print("removed; salient rules apply takes its facts away" if n else "there is no such rule")


@rules.command()
def apply(
    processes: Annotated[int | None, typer.Option("--processes", "-p", min=0)] = None,
    data_dir: DataDir = None,
) -> None:
    """Read documents again that were read with other rules."""
    with opened(data_dir) as workspace, watched("reading") as report:
        reply = here(workspace, "grammar.apply", report, processes=processes)
    out.print(f"{reply.worked:,} documents read again in {reply.seconds:.1f} s")


def _body(
    predicate: str,
    pattern: str,
    subject: str,
    object_: str,
    qualifiers: list[str] | None,
    confidence: float,
) -> dict[str, Any]:
    found = {}
    for one in qualifiers or []:
        name, equals, slot = one.partition("=")
        if not equals:
            raise InvalidInput(f"{one!r} is not QUALIFIER=SLOT")
        found[name] = slot
    return {
        "predicate": predicate, "pattern": pattern, "subject": subject, "object": object_,
        "qualifiers": found, "confidence": confidence,
    }  # fmt: skip
