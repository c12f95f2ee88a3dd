"""A small corpus, the workspace that workers make of it, and all that is told of it afterwards."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import salient
from salient.model import State
from salient.services import exports
from tests.cluster.hooked import HOLD, POISON

TEXTS = 16
HELD = 6
"""Which text makes the first worker that reads it wait at the gate; some end before, some after."""


def corpus(folder: Path) -> Path:
    """Texts of equal cost with entities that many share, and facts."""
    folder.mkdir(parents=True)
    for n in range(TEXTS):
        said = (
            f"This Supply Agreement is made on {n + 1} March 2021 between Company Number {n} Ltd "
            '(the "Supplier") and Halden Maritime AS (the "Buyer").\n\n'
            f"The Buyer takes {n + 2} pumps. This Agreement is governed by the laws of Norway.\n\n"
        )
        more = f"They {HOLD}.\n\n" if n == HELD else ""
        (folder / f"{n:02}.txt").write_text("SUPPLY AGREEMENT\n\n" + more + said * 5)
    return folder


def deadly(folder: Path) -> Path:
    """A text that kills its worker, once the gate is armed."""
    folder.mkdir()
    (folder / "deadly.txt").write_text(f"Do not {POISON}, said Poison Makers Ltd.")
    return folder / "deadly.txt"


def told(workspace: salient.Workspace) -> dict[str, Any]:
    """Everything that a workspace says of its documents, but times."""
    out: dict[str, Any] = {}
    for what in ("mentions", "entities", "facts", "annotations", "graph"):
        form = "jsonld" if what == "graph" else "jsonl"
        request = exports.request_of(what, form, {})
        chunks = exports.stream(request, workspace.app.context)
        out[what] = hashlib.sha256(b"".join(chunks)).hexdigest()
    status = workspace.status()
    out |= {"states": status.states, "passages": status.n_passages}
    out["found"] = workspace.search("pumps", limit=100).total
    listed = workspace.documents(limit=100, states=[State.DONE]).documents
    out["documents"] = sorted(Counter(document.name for document in listed).items())
    return out


def calm(folder: Path, texts: Path) -> dict[str, Any]:
    """The same corpus, one document after another in this process, and nothing happens to it."""
    settings = {"pipeline": {"processes": 1}, "nlp": {"engine": "rules", "encoder": "hashing"}}
    with salient.open(folder, **settings) as workspace:
        workspace.add(texts)
        return told(workspace)
