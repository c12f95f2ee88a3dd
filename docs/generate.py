"""Writes the reference pages that come from the code: `python3 docs/generate.py`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import salient
from salient import errors, readers
from salient.interfaces import rest
from salient.settings import Settings, load

HERE = Path(__file__).resolve().parent / "reference"


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
        "Arguments, then `SALIENT_*` variables (`SALIENT_STORAGE__BLOBS=...`), then `salient.toml`, then these",
        "defaults. `salient settings` shows each value and where it came from.",
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


def main() -> None:
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, salient.App(load(data_dir=folder)) as app:
        api = rest.create(app).openapi()
        (HERE / "openapi.json").write_text(json.dumps(api, indent=1, sort_keys=True) + "\n")
        (HERE / "services.md").write_text(services_page(app))
    (HERE / "errors.md").write_text(errors_page())
    (HERE / "settings.md").write_text(settings_page())
    (HERE / "formats.md").write_text(formats_page())


if __name__ == "__main__":
    main()
