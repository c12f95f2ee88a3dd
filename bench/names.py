"""Name matching on labelled pairs: pairwise F1 of `same_entity` beside the scores stored with the data.

python bench/names.py ../shared/data/linkage/name_bench/cases_60.csv
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import Counter
from pathlib import Path

from salient.knowledge.similarity import THRESHOLD, same_entity

TYPES = {
    "Person": "PERSON",
    "Company": "ORG",
    "Organization": "ORG",
    "LegalEntity": "ORG",
    "Vessel": "PRODUCT",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--show", action="store_true", help="print the mistakes")
    args = parser.parse_args()
    with args.csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counts: dict[str, Counter[str]] = {}
    began = time.perf_counter()
    for row in rows:
        score = same_entity(row["name1"], row["name2"], TYPES[row["schema"]])
        said, truth = score >= THRESHOLD, row["is_match"] == "true"
        outcome = ("T" if said == truth else "F") + ("P" if said else "N")
        for group in (row["schema"], "all"):
            counts.setdefault(group, Counter())[outcome] += 1
            if row["logicv2_outcome"]:
                counts.setdefault(f"{group} (stored peer)", Counter())[row["logicv2_outcome"]] += 1
        if args.show and said != truth:
            print(f"{outcome} {score:.2f} {row['schema']:12} {row['name1']!r} | {row['name2']!r}")
    seconds = time.perf_counter() - began
    for group, c in sorted(counts.items()):
        precision = c["TP"] / max(c["TP"] + c["FP"], 1)
        recall = c["TP"] / max(c["TP"] + c["FN"], 1)
        f1 = 2 * c["TP"] / max(2 * c["TP"] + c["FP"] + c["FN"], 1)
        print(
            json.dumps(
                {
                    "group": group,
                    "n": c.total(),
                    "precision": round(precision, 3),
                    "recall": round(recall, 3),
                    "f1": round(f1, 3),
                }
            )
        )
    print(json.dumps({"pairs_per_s": round(len(rows) / seconds)}))


if __name__ == "__main__":
    main()
