"""datasketch and rensa on texts, in an interpreter of their own: PYTHON bench/peers/text_duplicates.py FILE

FILE holds {"texts": [...], "threshold": t}; a line of JSON is printed: by peer, texts a CPU-second from strings to pairs, and the pairs.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

REQUIREMENTS = ("datasketch==2.0.0", "rensa==0.5.0")

Pairs = set[tuple[int, int]]
SIZE, RUN = 256, 5
_WORD = re.compile(r"\w+")


def runs(text: str) -> list[str]:
    words = _WORD.findall(text.casefold())
    return [" ".join(words[at : at + RUN]) for at in range(max(len(words) - RUN + 1, 1))]


def bands(threshold: float) -> tuple[int, int]:
    """As ours: the longest bands that find 0.98 of the pairs at the threshold."""
    rows = max(r for r in range(1, 9) if r == 1 or 1 - (1 - threshold**r) ** (SIZE // r) >= 0.98)
    return SIZE // rows, rows


def datasketch(texts: list[str], threshold: float) -> Pairs:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=SIZE, params=bands(threshold))
    sketches = []
    found: Pairs = set()
    for at, text in enumerate(texts):
        sketch = MinHash(num_perm=SIZE)
        sketch.update_batch([run.encode() for run in runs(text)])
        for other in index.query(sketch):
            if sketches[other].jaccard(sketch) >= threshold:
                found.add((other, at))
        index.insert(at, sketch)
        sketches.append(sketch)
    return found


def rensa(texts: list[str], threshold: float) -> Pairs:
    from rensa import RMinHash, RMinHashLSH

    n_bands, _ = bands(threshold)
    # Its bands share the sketch evenly, so that its size is a multiple of their number.
    size = SIZE // n_bands * n_bands
    index = RMinHashLSH(threshold=threshold, num_perm=size, num_bands=n_bands)
    sketches = []
    found: Pairs = set()
    for at, text in enumerate(texts):
        sketch = RMinHash(num_perm=size, seed=42)
        sketch.update(runs(text))
        for other in index.query(sketch):
            if sketches[other].jaccard(sketch) >= threshold:
                found.add((other, at))
        index.insert(at, sketch)
        sketches.append(sketch)
    return found


def main() -> None:
    data = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rows = {}
    peers: dict[str, Callable[[list[str], float], Pairs]] = {
        "datasketch": datasketch,
        "rensa": rensa,
    }
    for name, peer in peers.items():
        peer(data["texts"][:20], data["threshold"])
        began = time.process_time()
        found = peer(data["texts"], data["threshold"])
        took = time.process_time() - began
        rows[name] = {"texts_per_cpu_s": round(len(data["texts"]) / took), "pairs": sorted(found)}
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
