"""The command line: `salient VERB`. Each verb calls services; `salient call` reaches all of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text as Line

from salient import errors, log
from salient.app import App
from salient.interfaces import watching
from salient.interfaces.classifying import classify
from salient.interfaces.copies import copies, quoted
from salient.interfaces.deduplicating import duplicates
from salient.interfaces.embedding import embed
from salient.interfaces.grammar import grammar, rules
from salient.interfaces.jobs import dead, here, jobs
from salient.interfaces.labelling import labels
from salient.interfaces.migrating import migrate
from salient.interfaces.models import models
from salient.interfaces.planning import plan
from salient.interfaces.python import Workspace
from salient.interfaces.stack import stack
from salient.interfaces.stores import stores
from salient.interfaces.terminal import AGAIN, AsJson, DataDir, err, out
from salient.interfaces.terminal import opened as _workspace
from salient.interfaces.terminal import print_json as _print_json
from salient.interfaces.terminal import watched as _watched
from salient.interfaces.training import train
from salient.model import State
from salient.pipeline import run as running
from salient.services import exports as exporting
from salient.services.views import Quote
from salient.settings import SharedSettings, load, valid

cli = typer.Typer(
    name="salient",
    help="Turns piles of documents into a knowledge graph that answers questions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(stores, name="stores")
cli.add_typer(models, name="models")
cli.add_typer(jobs, name="jobs")
cli.add_typer(dead, name="dead")
cli.add_typer(stack, name="stack")
cli.add_typer(train, name="train")
cli.add_typer(classify, name="classify")
cli.add_typer(labels, name="labels")
cli.add_typer(embed, name="embed")
cli.command()(duplicates)
cli.command()(migrate)
cli.command()(plan)
cli.add_typer(rules, name="rules")
cli.command()(grammar)
cli.command()(copies)
cli.command()(quoted)

_STYLES = {
    "done": "green",
    "failed": "red",
    "quarantined": "magenta",
    "unsupported": "yellow",
    "duplicate": "cyan",
    "running": "blue",
    "queued": "dim",
}

Processes = Annotated[
    int | None, typer.Option("--processes", "-p", min=0, help="Worker processes; 0 chooses.")
]


def main() -> None:
    """Run the command line; errors become one sentence and an exit code."""
    try:
        cli()
    except errors.Error as error:
        err.print(f"[red]{error.code}[/]: {escape(error.message)}")
        sys.exit(75 if error.retryable else 1)
    except running.Cancelled as why:
        err.print(str(why) or AGAIN)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has enough of it; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@cli.command()
def add(
    paths: Annotated[list[str] | None, typer.Argument(help="Files and folders.")] = None,
    processes: Processes = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add files and folders. Without paths, finish what an interrupted run left."""
    with _workspace(data_dir) as workspace, _watched("reading") as report:
        reply = here(workspace, "documents.add", report, paths=paths or [], processes=processes)
        problems = _problems(workspace)
    if as_json:
        _print_json(reply)
        return
    out.print(
        f"{reply.added} added, {reply.unchanged} unchanged, {reply.worked} worked on in {reply.seconds:.1f} s"
    )
    _print_states(reply.states)
    _print_problems(problems)


def _problems(workspace: Workspace) -> list[Any]:
    states = [State.FAILED, State.QUARANTINED, State.UNSUPPORTED]
    return list(workspace.documents(states=states, limit=20).documents)


def _print_states(states: dict[str, int]) -> None:
    line = "  ".join(f"[{_STYLES[s]}]{s} {n}[/]" for s, n in states.items() if n)
    out.print(f"{sum(states.values())} documents: {line or 'none yet'}")


def _print_problems(documents: list[Any]) -> None:
    for document in documents:
        out.print(
            f"  [{_STYLES[document.state]}]{document.state}[/] {escape(document.name)}: "
            f"{escape(document.reason or '')} [dim]({document.code})[/]"
        )


@cli.command()
def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on showing it, until Ctrl-C.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show how many documents are in which state, and what was found."""
    with _workspace(data_dir) as workspace:
        if watch:
            watching.watch(workspace.status, out, as_json=as_json)
            return
        reply = workspace.status()
        problems = _problems(workspace)
    if as_json:
        _print_json(reply)
        return
    _print_states(reply.states)
    out.print(
        f"{reply.n_pages} pages, {reply.n_passages} passages, {reply.n_mentions} mentions of "
        f"{reply.n_entities} entities, {reply.n_facts} findings"
    )
    for job in reply.jobs:
        out.print(f"  {watching.told(job)}")
    for failure in reply.failures:
        out.print(f"  {failure.n} × {failure.state}: {failure.code}")
    _print_problems(problems)


@cli.command()
def retry(
    ids: Annotated[list[str] | None, typer.Argument(help="Document ids.")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="All that failed or were quarantined.")
    ] = False,
    processes: Processes = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Try documents again that failed."""
    states = [State.FAILED, State.QUARANTINED] if failed else []
    with _workspace(data_dir) as workspace, _watched("retrying") as report:
        reply = here(
            workspace, "documents.retry", report, ids=ids or [], states=states, processes=processes
        )
        problems = _problems(workspace)
    if as_json:
        _print_json(reply)
        return
    _print_states(reply.states)
    _print_problems(problems)


@cli.command()
def reindex(processes: Processes = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Fill the search index from what was made of the documents before, e.g. on a new server."""
    with _workspace(data_dir) as workspace, _watched("indexing") as report:
        reply = here(workspace, "documents.reindex", report, processes=processes)
    if as_json:
        _print_json(reply)
        return
    _print_states(reply.states)


@cli.command()
def search(
    text: str,
    limit: Annotated[int, typer.Option("--limit", "-n")] = 10,
    mode: Annotated[str, typer.Option(help="keyword, hybrid or meaning")] = "hybrid",
    passages: Annotated[
        bool, typer.Option("--passages", help="Passages rather than documents.")
    ] = False,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label", "-l", help="Only documents labelled so: LABEL or SCHEME/LABEL; repeatable."
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Find documents or passages: words, "phrases", -not, field:value, prefix*."""
    name = "search.passages" if passages else "search.documents"
    with _workspace(data_dir) as workspace:
        filters = {"labelled": tuple(label)} if label else {}
        reply = workspace.call(name, text=text, limit=limit, mode=mode, filters=filters)
    if as_json:
        _print_json(reply)
        return
    out.print(f"{reply.total} found in {reply.seconds:.3f} s")
    for hit in reply.hits:
        if passages:
            _print_quote(hit.quote)
            continue
        also = f"  also in {hit.n_copies} more" if hit.n_copies else ""
        out.print(
            f"\n[bold]{escape(hit.document.title or hit.document.name)}[/] [dim]{escape(hit.document.name)} {hit.document.id}{also}[/]"
        )
        for quote in hit.quotes[:2]:
            _print_quote(quote, named=False)


def _print_quote(quote: Quote, *, named: bool = True) -> None:
    where = f"{quote.document_name}" + (f", page {quote.page}" if quote.page else "")
    line = Line("  ")
    for said, hit in _shortened(quote):
        line.append(" ".join(said.split("\n")), style="bold yellow" if hit else "")
    if named:
        out.print(f"\n[bold]{escape(where)}[/] [dim]{quote.start}–{quote.end}[/]")
    elif quote.page:
        line.append(f"  (page {quote.page})", style="dim")
    out.print(line)


def _shortened(quote: Quote, longest: int = 500, beside: int = 100) -> Iterator[tuple[str, bool]]:
    """The pieces of a quote; of a long one, what stands beside its hits."""
    last = len(quote.pieces) - 1
    fits = sum(len(p.text) for p in quote.pieces) <= longest
    for at, piece in enumerate(quote.pieces):
        said = piece.text
        if fits or piece.hit or len(said) <= 2 * beside:
            yield said, piece.hit
            continue
        if not last:
            yield said[:longest].rpartition(" ")[0] + " …", False
            continue
        before = "" if at == 0 else said[:beside].rpartition(" ")[0] + " "
        after = "" if at == last else " " + said[-beside:].partition(" ")[2]
        yield f"{before}…{after}", False


@cli.command()
def ask(
    question: str,
    limit: Annotated[int, typer.Option("--limit", "-n")] = 3,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question with quoted sentences, or say that the documents do not answer it."""
    with _workspace(data_dir) as workspace:
        reply = workspace.ask(question, limit=limit)
    if as_json:
        _print_json(reply)
    elif reply.found:
        out.print(f"[bold green]{escape(reply.answer or '')}[/]")
    else:
        out.print(f"[yellow]{escape(reply.reason or '')}[/]")
    if not as_json:
        for sentence in reply.sentences if reply.found else ():
            _print_quote(sentence.quote)
            out.print(f"  [dim]confidence {sentence.confidence:.2f}[/]")
    if not reply.found:
        raise typer.Exit(2)


@cli.command()
def show(document: str, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show a document, by id or part of its name."""
    with _workspace(data_dir) as workspace:
        reply = workspace.show(_document_id(workspace, document))
    if as_json:
        _print_json(reply)
        return
    doc = reply.document
    out.print(f"[bold]{escape(doc.title or doc.name)}[/]")
    table = Table(show_header=False, box=None)
    rows: dict[str, Any] = {
        "id": doc.id,
        "name": doc.name,
        "state": doc.state,
        "reason": doc.reason,
        "type": doc.media_type,
        "language": doc.language,
        "pages": doc.n_pages,
        "characters": doc.n_characters,
        "date": reply.date,
        "version": doc.version,
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, escape(str(value)))
    out.print(table)
    for note in doc.notes:
        out.print(f"  [yellow]note[/] {escape(note)}")
    for stage in reply.stages:
        out.print(f"  {stage.stage}: {stage.component} [dim]{stage.seconds:.2f} s[/]")
    for entity in reply.entities[:20]:
        out.print(f"  {entity.n:4} × {escape(entity.name)} [dim]{entity.type} {entity.id}[/]")
    for child in reply.children:
        out.print(f"  inside: {escape(child.name)} [dim]{child.id} {child.state}[/]")


def _document_id(workspace: Workspace, text: str) -> str:
    found = workspace.documents(query=text, limit=2)
    if found.total == 1:
        return found.documents[0].id
    if found.total > 1 and len(text) != 20:
        raise errors.InvalidInput(
            f"{found.total} documents fit {text!r}: give more of the name, or the id"
        )
    return text


@cli.command()
def entities(
    query: Annotated[
        str | None, typer.Argument(help="Part of a name, or an entity's id to show it.")
    ] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", "-t")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n")] = 30,
    load_from: Annotated[
        Path | None, typer.Option("--import", help="A CSV or JSONL file of known entities.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List entities, or import known ones."""
    with _workspace(data_dir) as workspace:
        if load_from is not None:
            with _watched("importing") as report:
                done = workspace.call("entities.import", report, path=str(load_from.absolute()))
            out.print(f"{done.n} entities imported")
            return
        reply = workspace.call("entities.list", query=query, types=type_ or [], limit=limit)
    if as_json:
        _print_json(reply)
        return
    table = Table("mentions", "documents", "type", "name", "origin", "id", box=None)
    for e in reply.entities:
        table.add_row(str(e.n_mentions), str(e.n_documents), e.type, escape(e.name), e.origin, e.id)
    out.print(table)
    out.print(f"{reply.total} entities")


@cli.command()
def facts(
    entity: Annotated[str | None, typer.Argument(help="An entity's id or name.")] = None,
    predicate: Annotated[str | None, typer.Option("--predicate")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n")] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List facts with the sentence behind each."""
    with _workspace(data_dir) as workspace:
        ident = _entity_id(workspace, entity) if entity else None
        reply = workspace.call("facts.list", entity=ident, predicate=predicate, limit=limit)
    if as_json:
        _print_json(reply)
        return
    for fact in reply.facts:
        thing = fact.object_name or fact.object_value or ""
        out.print(
            f"\n[bold]{escape(fact.subject_name)}[/] {escape(fact.predicate_label)} [bold]{escape(thing)}[/] "
            f"[dim]{fact.confidence:.2f}[/]"
        )
        for item in fact.evidence[:2]:
            _print_quote(item.quote)
    out.print(f"\n{reply.total} facts")


@cli.command()
def graph(
    entity: str,
    to: Annotated[
        str | None, typer.Option("--to", help="Find the shortest path to this entity.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n")] = 40,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what an entity is connected with, or how two are connected."""
    with _workspace(data_dir) as workspace:
        ident = _entity_id(workspace, entity)
        if to is None:
            reply = workspace.call("graph.neighbours", ids=[ident], limit=limit)
        else:
            reply = workspace.call("graph.path", source=ident, target=_entity_id(workspace, to))
    if as_json:
        _print_json(reply)
        return
    names = {n.id: n.name for n in reply.nodes}
    for edge in reply.edges:
        out.print(
            f"{escape(names[edge.source])} [cyan]—{escape(edge.label)}→[/] {escape(names[edge.target])} [dim]{edge.n}[/]"
        )
    if not reply.edges:
        out.print("no connection was found")


def _entity_id(workspace: Workspace, text: str) -> str:
    found = workspace.call("entities.list", query=text, limit=50).entities
    exact = [e for e in found if e.name.lower() == text.lower()]
    best = (exact or list(found))[:1]
    return best[0].id if best else text


@cli.command()
def similar(
    document: str,
    limit: Annotated[int, typer.Option("--limit", "-n")] = 10,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Find documents like another, by id or part of its name."""
    with _workspace(data_dir) as workspace:
        reply = workspace.similar(_document_id(workspace, document), limit)
    if as_json:
        _print_json(reply)
        return
    for item in reply.documents:
        shared = ", ".join(e.name for e in item.shared_entities[:4])
        title = item.document.title or item.document.name
        out.print(
            f"{item.score:.3f}  [bold]{escape(title)}[/] [dim]{escape(item.document.name)}[/]  {escape(shared)}"
        )


@cli.command()
def export(
    what: Annotated[
        str,
        typer.Argument(
            help="documents, mentions, entities, facts, references, annotations, copies, labels or graph"
        ),
    ],
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="A file; its ending names the form.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--form", help="csv, xlsx, jsonl, graphml, jsonld")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Export a table or the graph, to a file or standard output."""
    form = form or (to.suffix.lstrip(".") if to else "graphml" if what == "graph" else "jsonl")
    request = exporting.request_of(what, form, {})
    with _workspace(data_dir) as workspace:
        chunks = exporting.stream(request, workspace.app.context)
        if to is None:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            return
        partial = to.with_name(to.name + ".partial")
        with partial.open("wb") as file:
            size = sum(file.write(chunk) for chunk in chunks)
        partial.replace(to)
    err.print(f"{size:,} bytes written to {escape(str(to))}")


@cli.command()
def delete(ids: list[str], data_dir: DataDir = None) -> None:
    """Delete documents by id, with all that came of them."""
    with _workspace(data_dir) as workspace:
        out.print(f"{workspace.call('documents.delete', ids=ids).n} documents deleted")


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option()] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535)] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve the REST API and the web page."""
    from salient.interfaces import server

    given: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    settings = load(**given)
    log.configure(
        settings.log.form, settings.log.level, settings.log_destinations(), settings.log.traces
    )
    with Workspace(App(settings)) as workspace:
        server.run(
            workspace.app,
            host or settings.web.host,
            settings.web.port if port is None else port,
            lambda address: out.print(f"salient is at [bold]{address}[/]  (Ctrl-C ends it)"),
        )


@cli.command()
def beat(
    probes: Annotated[
        str | None, typer.Option(help="HOST:PORT for /health, /ready and /metrics.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Take up what dead processes left, and clear away. Of several, one does it at a time."""
    from salient.interfaces import beat as beating

    with _workspace(data_dir) as workspace:
        beating.run(workspace.app, probes or workspace.app.settings.work.probes)


@cli.command()
def worker(
    processes: Annotated[
        int | None,
        typer.Option("-c", "--processes", min=1, max=256, help="At once; one a core without."),
    ] = None,
    queues: Annotated[
        str, typer.Option(help="Whose work to take, by commas: salient, salient.ocr.")
    ] = "salient,salient.ocr",
    data_dir: DataDir = None,
) -> None:
    """Do the work that others send over the queue of the setting work.on."""
    from salient.interfaces import worker as working

    given: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    settings = load(**given)
    log.configure(
        settings.log.form, settings.log.level, settings.log_destinations(), settings.log.traces
    )
    wanted = [name.strip() for name in queues.split(",") if name.strip()]
    working.run(settings, processes or os.cpu_count() or 1, wanted)


@cli.command()
def settings(
    data_dir: DataDir = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE in the shared store, for all machines."),
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", help="NAME to take out of the shared store.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every setting with its value and where it came from, and the stores taken apart."""
    if set_ or unset:
        _change_shared(set_ or [], unset or [])
    with _workspace(data_dir) as workspace:
        reply = workspace.call("system.settings")
    if as_json:
        _print_json(reply)
        return
    table = Table("setting", "value", "from", box=None)
    for row in reply.settings:
        table.add_row(row.name, escape(row.value), row.origin)
    out.print(table)
    for name, lines in reply.stores.items():
        out.print(f"\n{name}")
        for line in lines:
            out.print(f"  {escape(line)}")


def _change_shared(given: list[str], unset: list[str]) -> None:
    shared = SharedSettings.open()
    if shared is None:
        raise errors.Misconfigured(
            "there is no shared store: name one in SALIENT_SETTINGS_STORE, e.g. redis://host:6379/0"
        )
    with closing(shared):
        changes = []
        for one in given:
            name, equals, value = one.partition("=")
            if not equals:
                raise errors.InvalidInput(f"{one!r} is not NAME=VALUE")
            changes.append((name, valid(name, value)))
        for name, value in changes:
            shared.put(name, value)
            err.print(f"{escape(name)} is set for all that use the shared store")
        for name in unset:
            was = "is no longer set" if shared.remove(name) else "was not set"
            err.print(f"{escape(name)} {was}")


@cli.command()
def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Try every component and store, and say what is missing and how to get it."""
    with _workspace(data_dir) as workspace:
        reply = workspace.call("system.doctor")
    if as_json:
        _print_json(reply)
    else:
        for check in reply.checks:
            mark = "[green]ok[/]  " if check.ok else "[red]bad[/] "
            out.print(f"{mark}{check.name}: {escape(check.detail)}")
            if check.remedy and not check.ok:
                out.print(f"     → {escape(check.remedy)}")
    if not all(check.ok for check in reply.checks):
        raise typer.Exit(1)


@cli.command()
def call(
    service: Annotated[str, typer.Argument(help="A service, e.g. entities.list")],
    request: Annotated[str, typer.Argument(help="Its request as JSON.")] = "{}",
    data_dir: DataDir = None,
) -> None:
    """Call any service with a JSON request; print its JSON reply."""
    try:
        body = json.loads(request)
    except json.JSONDecodeError as exc:
        raise errors.InvalidInput(f"the request is not JSON: {exc}") from exc
    if not isinstance(body, dict):
        raise errors.InvalidInput("the request is not a JSON object")
    with _workspace(data_dir) as workspace, _watched(service) as report:
        _print_json(workspace.call(service, report, **body))
