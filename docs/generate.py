"""Writes what comes from the code and the benches: the reference pages, and two parts of the README.

.venv/bin/python docs/generate.py
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import salient
from salient import errors, readers
from salient.interfaces import rest
from salient.settings import Settings, load
from salient.storage import blob, docs, kv, search, sql

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "docs" / "reference"


def errors_page() -> str:
    rows = [
        f"| `{code}` | {kind.__name__} | {rest.STATUS.get(kind, '')} | {'yes' if kind.retryable else 'no'} |"
        for code, kind in errors.tree().items()
        if code != "error"
    ]
    head = (
        "# Errors\n\nEvery fault is one of these, in Python, on the command line and over REST.\n\n"
    )
    return (
        head
        + "| code | class | HTTP status | try again |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def settings_page() -> str:
    lines = [
        "# Settings",
        "",
        "Arguments, then `SALIENT_*` variables (`SALIENT_STORAGE__BLOBS=...`), `salient.toml`, the shared store that",
        "`SALIENT_SETTINGS_STORE` names, then these defaults. `salient settings` shows each value and where it came from.",
        "",
        "| setting | default | meaning |",
        "|---|---|---|",
    ]

    def walk(model: type, value: object, path: str) -> None:
        docs = _field_docs(model)
        for name in model.model_fields:  # type: ignore[attr-defined]
            inner = getattr(value, name)
            dotted = f"{path}{name}"
            if hasattr(type(inner), "model_fields"):
                walk(type(inner), inner, dotted + ".")
            else:
                lines.append(f"| `{dotted}` | `{inner}` | {docs.get(name, '')} |")

    walk(Settings, Settings(), "")
    return "\n".join(lines) + "\n"


def _field_docs(model: type) -> dict[str, str]:
    """The strings that stand below fields."""
    import ast
    import inspect
    import textwrap

    tree = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    docs, last = {}, None
    for node in tree.body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            docs[last] = " ".join(str(node.value.value).split())
            last = None
    return docs


def services_page(app: salient.App) -> str:
    lines = [
        "# Services",
        "",
        "Each can be called from Python (`workspace.call(name, ...)`), the command line (`salient call NAME JSON`)",
        "and REST (`POST /v1/...`; long ones start a job under `POST /v1/jobs/...`).",
        "",
        "| service | REST | what it does |",
        "|---|---|---|",
    ]
    for service in app.services.values():
        path = ("/v1/jobs/" if service.long else "/v1/") + service.name.replace(".", "/")
        lines.append(f"| `{service.name}` | `POST {path}` | {service.summary.splitlines()[0]} |")
    return "\n".join(lines) + "\n"


def formats_page() -> str:
    rows = [f"| `{kind}` | `{readers.READERS[kind]}` |" for kind in sorted(readers.READERS)]
    head = "# Formats\n\nWhat is read, recognised by its bytes.\n\n| media type | reader |\n|---|---|\n"
    return head + "\n".join(rows) + "\n"


def stores_table() -> str:
    """The fronts with the setting, its default, and what can be opened."""
    chosen = Settings().storage
    rows = [
        ("cache, locks, counters", "cache", kv.SCHEMES),
        ("files", "blobs", blob.SCHEMES),
        ("tables", "tables", sql.SCHEMES),
        ("records", "records", docs.SCHEMES),
        ("full text and vectors", "search", search.SCHEMES),
    ]
    lines = ["| store | setting | default | schemes |", "|---|---|---|---|"]
    for what, name, schemes in rows:
        known = ", ".join(f"`{s}:`" for s in schemes)
        lines.append(f"| {what} | `storage.{name}` | `{getattr(chosen, name)}` | {known} |")
    return "\n".join(lines)


FRONTS = {
    "kv": "Cache, locks, counters (`storage.cache`)",
    "blob": "Files (`storage.blobs`)",
    "sql": "Tables (`storage.tables`)",
    "docs": "Records (`storage.records`)",
    "search": "Full text and vectors (`storage.search`)",
}


def stores_page(run: dict[str, Any]) -> str:
    """What test runs wrote down of the stores: see tests/servers/plugin.py."""
    lines = [
        "# Stores",
        "",
        "Written by a run of the tests: each store ran the whole suite of its kind, which ships with Salient in",
        "`salient.storage.testing`. A count is of tests; what a suite holds against a store differs with the store's",
        "features. Versions are what the servers said of themselves.",
    ]
    stand_ins: dict[str, str] = {}
    for front, title in FRONTS.items():
        rows = run.get(front, {})
        lines += ["", f"## {title}", ""]
        lines += ["| store | made of | features | run against | suite tests passed | not passed |"]
        lines += ["|---|---|---|---|---|---|"]
        for name, row in rows.items():
            servers = row["servers"].values()
            stand_ins |= {s["version"]: s["stands_for"] for s in servers if s["stands_for"]}
            against = ", ".join(s["version"] + ("*" if s["stands_for"] else "") for s in servers)
            rest = [
                f"{row[what]} {what}"
                for what in ("failed", "failed at its end", "xfailed", "skipped")
                if row.get(what)
            ]
            made = f"`{row['driver']}`" if row["driver"] else ""
            lines.append(
                f"| {name} | {made} | {', '.join(row['features']) or '—'} | {against or 'in this process'} "
                f"| {row.get('passed', 0)} | {', '.join(rest) or '—'} |"
            )
    lines += ["", "## Stand-ins", ""]
    lines += [
        "\\* Not the thing itself but a close stand-in, since the tests provision their own servers and cannot have "
        "the real one. The same suites run against a real one when its URL is given, as in "
        "`SALIENT_TEST_MONGODB=mongodb://… python3 x.py test`.",
        "",
    ]
    lines += [f"- {version} stands for {real}." for version, real in sorted(stand_ins.items())]
    return "\n".join(lines) + "\n"


def write_stores() -> None:
    """Take over what the last whole run of the contract tests wrote, if there was one here."""
    kept, fresh = HERE / "stores.json", ROOT / ".salient" / "stores.json"
    if fresh.is_file():
        kept.write_text(fresh.read_text("utf-8"), "utf-8")
    if kept.is_file():
        (HERE / "stores.md").write_text(stores_page(json.loads(kept.read_text("utf-8"))), "utf-8")


def latest(bench: str) -> Any:
    """The last line that a bench wrote; None where it never ran."""
    file = ROOT / "bench" / "results" / f"{bench}.jsonl"
    return json.loads(file.read_text("utf-8").splitlines()[-1]) if file.is_file() else None


def numbers_table() -> str:
    """What the benches measured last, with the command that measures it again."""
    rows: list[tuple[str, str, str, str]] = []
    if ingest := latest("ingest"):
        true, plain = ingest["fidelity"], ingest["conversion"]
        one, two, words = ingest["chain_1"], ingest["chain_2"], ingest["annotation"]
        rows += [
            ("Text of 40 contracts in PDF against their true text, median", f"{true['median']:.4f}",
             f"PDFium's own order {true['plain_median']:.4f}", "fidelity"),
            ("PDF to text with layout", f"{plain['pages_per_s']:.0f} pages/s a core", "", "ingest"),
            ("Annotation: sentences, parse, entities, keyphrases",
             f"{words['words_per_cpu_s']:,} words/s a core",
             f"spaCy's small pipeline {words['spacy_words_per_cpu_s']:,}", "ingest"),
            ("The whole chain, 1 and 2 processes, contracts of 14 pages in the mean",
             f"{one['documents_per_s']} and {two['documents_per_s']} documents/s",
             f"{one['words_per_s']:,} and {two['words_per_s']:,} words/s", "ingest"),
            ("Memory of the largest process", f"{two['peak_one_mb']} MB", "", "ingest"),
        ]  # fmt: skip
    if page := latest("html_body"):
        rows.append((f"Article bodies of {page['pages']} web pages, F1", f"{page['salient']['f1']:.3f}",
                     f"trafilatura {page['trafilatura']['f1']:.3f}", "html_body"))  # fmt: skip
    if ask := latest("ask"):
        ours, peer = ask["salient"], ask["bm25"]
        rows += [
            ("SQuAD 2.0 questions: the right sentence in the top three", f"{ours['hit_at_3']:.1%}",
             f"BM25 over sentences {peer['hit_at_3']:.1%}", "ask"),
            ("the same, shown as an answer / unanswerable ones refused",
             f"{ours['shown_and_right']:.0%} / {ours['refused']:.0%}",
             f"BM25 at its best threshold {peer['shown_and_right']:.0%} / {peer['refused']:.0%}", "ask"),
        ]  # fmt: skip
    if stores := latest("stores"):
        rows += _stores_numbers(stores)
    rows += _learning_numbers()
    lines = ["| what | Salient | beside it | `bench/` |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {a} | {b} | {c} | `{d}.py` |" for a, b, c, d in rows)])


def _stores_numbers(run: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    many, hot = run["bulk"], run["hot"]
    rows = []
    for name, title, peer in (
        ("sqlite", "SQLite", "sqlite3's fetchall"),
        ("postgresql", "Postgres", "psycopg's fetchall"),
    ):
        plain = next(v for k, v in many[name].items() if k.startswith("plain"))
        rows.append((
            f"Records of 200 bytes from {title}, as Arrow batches / dictionaries",
            f"{many[name]['arrow']['per_cpu_s']:,} / {many[name]['dictionaries']['per_cpu_s']:,} by CPU-second",
            f"{peer} {plain['per_cpu_s']:,}", "stores",
        ))  # fmt: skip
    rows.append((
        "Reads of hot keys through memory over Redis",
        f"{hot['layered memory redis']['per_cpu_s']:,} by CPU-second",
        f"Redis alone {hot['redis']['per_cpu_s']:,}", "stores",
    ))  # fmt: skip
    return rows


def _learning_numbers() -> list[tuple[str, str, str, str]]:
    rows = []
    if run := latest("classify"):
        news, store = run["ag_news"], run["store"]
        ours, linear, quick = (
            news[n] for n in ("salient, words", "scikit-learn TF-IDF + LinearSVC", "fastText")
        )
        rows += [
            ("News of 240 characters to labels, accuracy",
             f"{ours['texts_per_cpu_s']:,} by CPU-second, {ours['accuracy']:.3f}",
             f"fastText {quick['texts_per_cpu_s']:,}, {quick['accuracy']:.3f}; TF-IDF + LinearSVC "
             f"{linear['texts_per_cpu_s']:,}, {linear['accuracy']:.3f}", "classify"),
            ("the same from rows of a store to rows of a store", f"{store['texts_per_cpu_s']:,} by CPU-second", "", "classify"),
        ]  # fmt: skip
    if run := latest("duplicates"):
        ours, one, two = (run["threshold 0.5"][n] for n in ("salient", "rensa", "datasketch"))
        rows.append((
            "Texts that are nearly the same, of 2,200 characters; F1 of pairs where every twentieth word differs",
            f"{ours['texts_per_cpu_s']:,} by CPU-second, {ours['5%']:.3f}",
            f"rensa {one['texts_per_cpu_s']:,}, {one['5%']:.3f}; datasketch {two['texts_per_cpu_s']:,}, {two['5%']:.3f}",
            "duplicates",
        ))  # fmt: skip
    if run := latest("copies"):
        ours = run["rows"]["salient"]
        best = max(("datasketch", "rensa"), key=lambda name: run["rows"][name]["f1"])
        rows.append((
            "Documents that are copies, and letters after one pattern that are none, F1",
            f"{ours['f1']:.3f}", f"{best} {run['rows'][best]['f1']:.3f}", "copies",
        ))  # fmt: skip
    if run := latest("embeddings"):
        ours, peer = run["threads_1"]["salient"], run["threads_1"]["gensim"]
        rows.append((
            "Training of word vectors; WordSim + SimLex + analogies",
            f"{ours['words_per_cpu_s']:,.0f} words by CPU-second, {ours['sum']:.3f}",
            f"gensim {peer['words_per_cpu_s']:,.0f}, {peer['sum']:.3f}", "embeddings",
        ))  # fmt: skip
    return rows


_RAW = ("Tokens", "Sentences", "Words", "UPOS", "XPOS", "UFeats", "Lemmas", "UAS", "LAS")
_GIVEN = ("UPOS", "XPOS", "UFeats", "Lemmas", "UAS", "LAS")


def language_table() -> str | None:
    """What `bench/language.py` measured last: a row a number, a column an engine."""
    run = latest("language")
    if run is None:
        return None
    engines = run["engines"]
    quality = {name: row["quality"] for name, row in engines.items()}
    rows: list[tuple[str, list[Any]]] = []
    for source, title in (("ewt", "EWT dev"), ("gum", "GUM dev")):
        for way, names in (("raw", _RAW), ("gold words", _GIVEN)):
            told = "raw text" if way == "raw" else way
            for name in names:
                found = [q.get(f"{source}/{way}", {}).get(name) for q in quality.values()]
                rows.append((f"{title}, {told}: {name}", found))
    for source, title in (
        ("ewt", "UNER-EWT dev"), ("gum", "GUM dev"), ("wnut17", "WNUT17 dev"), ("wikigold", "wikigold, fold"),
        ("re3d", "re3d, fold"),
    ):  # fmt: skip
        found = [q.get(f"{source}/names", {}).get("f1") for q in quality.values()]
        rows.append((f"{title}: names", found))
    for source, pooled in run.get("pooled", {}).items():
        rows.append((f"{source}, all folds: names", [pooled.get(name) for name in engines]))
    for kind in ("contracts", "news", "web"):
        speeds = [row["speed"][f"{kind}_words_per_cpu_s"] for row in engines.values()]
        times = ", ".join(f"{speeds[0] / speed:.1f}" for speed in speeds[1:])
        rows.append((f"words a CPU-second, {kind} (ours is {times} times the others)", speeds))
    for name, title in (
        ("first_result_ms", "first result, ms"), ("rss_mb", "resident, MB"),
        ("two_threads", "two threads, times as fast as one"),
        ("two_processes", "two processes, times as fast as one"),
    ):  # fmt: skip
        rows.append((title, [row["speed"][name] for row in engines.values()]))
    longest = [row["speed"]["us_per_word_by_length"] for row in engines.values()]
    for length in longest[0]:
        cost = [lengths.get(length) for lengths in longest]
        rows.append((f"microseconds a word in a document of {int(length):,} words", cost))

    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:,}"

    lines = [f"| | {' | '.join(engines)} |", "|---" * (1 + len(engines)) + "|"]
    lines += [f"| {what} | {' | '.join(map(shown, values))} |" for what, values in rows]
    return "\n".join([*lines, "", f"Our model: `{run['component']}`, fold {run['fold'][0]}/{run['fold'][1]}."])  # fmt: skip


def fill(page: Path, name: str, text: str) -> None:
    """Put `text` between the marks of `name`."""
    marks = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end -->)"
    old = page.read_text("utf-8")
    page.write_text(re.sub(marks, lambda m: f"{m[1]}{text}\n{m[2]}", old, flags=re.S), "utf-8")


def main() -> None:
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, salient.App(load(data_dir=folder)) as app:
        api = rest.create(app).openapi()
        (HERE / "openapi.json").write_text(json.dumps(api, indent=1, sort_keys=True) + "\n")
        (HERE / "services.md").write_text(services_page(app))
    (HERE / "errors.md").write_text(errors_page())
    (HERE / "settings.md").write_text(settings_page())
    (HERE / "formats.md").write_text(formats_page())
    write_stores()
    fill(ROOT / "README.md", "numbers", numbers_table())
    fill(ROOT / "README.md", "stores", stores_table())
    if measured := language_table():
        fill(ROOT / "docs" / "models" / "language.md", "language", measured)


if __name__ == "__main__":
    main()
