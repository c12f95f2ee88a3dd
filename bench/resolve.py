"""Resolution at size: seconds and memory for all names at once, then for one new document.

python bench/resolve.py --names 100000
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time

from salient.knowledge.names import name_id, normalise
from salient.knowledge.reading import NameRow, Reading
from salient.knowledge.resolve import Resolver
from salient.knowledge.store import Store
from salient.storage.sql import Tables

WORKSPACE = "bench"


def surfaces(n: int, seed: int) -> list[tuple[str, str]]:
    """Made-up companies and people whose words repeat as words of real ones do."""
    chance = random.Random(seed)
    syllables = [
        a + b for a in "bdfgklmnprstv" for b in ("a", "e", "i", "o", "u", "ar", "en", "il", "or")
    ]
    words = [
        "".join(chance.choices(syllables, k=chance.randint(2, 3))).title()
        for _ in range(n // 4 + 50)
    ]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    common = [
        "Group",
        "Holdings",
        "Maritime",
        "Systems",
        "Bank",
        "Energy",
        "Partners",
        "Data",
        "Media",
        "Foods",
    ]
    forms = ["Ltd", "GmbH", "Inc.", "AS", "LLC", ""]
    drawn = iter(chance.choices(words, weights, k=3 * n))
    made: list[tuple[str, str]] = []
    for _ in range(n):
        if chance.random() < 0.6:
            parts = (
                [next(drawn)]
                + ([next(drawn)] if chance.random() < 0.4 else [])
                + [chance.choice(common)]
            )
            made.append((" ".join([*parts, chance.choice(forms)]).strip(), "ORG"))
        else:
            made.append((f"{next(drawn)} {next(drawn)}", "PERSON"))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables.open(f"sqlite:{folder}/t.db")
        tables.migrate()
        store = Store(tables, WORKSPACE)
        made = surfaces(args.names, 1)
        for first in range(0, len(made), 5000):
            rows = {}
            for surface, kind in made[first : first + 5000]:
                norm = normalise(surface, person=kind == "PERSON")
                row = NameRow(
                    name_id(WORKSPACE, kind, norm),
                    kind,
                    norm,
                    1,
                    surface,
                    {"forms": {surface: 1}, "near": []},
                )
                rows[row.name_id] = row
            with tables.transaction() as tx:
                store.replace_document(
                    tx, f"d{first}", Reading(WORKSPACE, names=tuple(rows.values()))
                )
        began = time.perf_counter()
        changes = Resolver(tables, WORKSPACE).resolve(None)
        whole = time.perf_counter() - began
        surface, kind = made[0]
        norm = normalise(surface, person=kind == "PERSON")
        row = NameRow(
            name_id(WORKSPACE, kind, norm), kind, norm, 1, surface, {"forms": {}, "near": []}
        )
        with tables.transaction() as tx:
            touched = store.replace_document(tx, "new", Reading(WORKSPACE, names=(row,)))
        began = time.perf_counter()
        one = Resolver(tables, WORKSPACE).resolve(touched)
        print(
            json.dumps(
                {
                    "names": changes.n_looked_at,
                    "entities": len(changes.entities),
                    "seconds": round(whole, 1),
                    "one_document_seconds": round(time.perf_counter() - began, 2),
                    "one_document_looked_at": one.n_looked_at,
                    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                }
            )
        )
        tables.close()


if __name__ == "__main__":
    main()
