"""A model of the language engine as a directory: `model.json`, which describes it, and its arrays.

Training writes it and the engine maps it: tables of words are never copied, so that processes share one
copy. Weights are float16 and tables int8 with a scale a row; `Model.arrays` has both as the network takes them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, InvalidInput, Misconfigured
from salient.learning import mapped
from salient.nlp import LABELS
from salient.nlp.native import features

if TYPE_CHECKING or os.environ.get("SALIENT_PURE_PYTHON") == "1":
    from salient.kernels.types import vocabulary_rows
else:
    from salient.kernels._types import vocabulary_rows

FORMAT: Final = 1
DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"

ENTITIES: Final = LABELS[:18]
PARTS: Final = "BILU"
"""Of an entity: its begin, inside, last word, or its only one. Tag 0 is no entity, and tag `1 + 4 * i + p`
is part p of entity i.
"""

_STORED = {"int8": "I8", "uint8": "U8", "int32": "I32", "uint32": "U32", "float16": "F16", "float32": "F32"}  # fmt: skip

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Description:
    """What a model is, beside its arrays. Tuples are in the order of the outputs."""

    name: str
    language: str
    """ISO 639-1."""
    licence: str
    upos: tuple[str, ...]
    xpos: tuple[str, ...]
    feats: tuple[str, ...]
    relations: tuple[str, ...]
    rules: tuple[Any, ...]
    """How lemmas are made, as `salient.nlp.training.lemmas` has it; the head chooses among the first."""
    n_choices: int
    entities: tuple[str, ...] = ENTITIES
    width: int = 160
    hidden: int = 96
    """Of one direction of a recurrence."""
    tags: int = 96
    arc: int = 64
    label: int = 64
    ner: int = 64
    temperatures: Mapping[str, float] = field(default_factory=dict)
    """By head: `upos`, `xpos`, `feats`, `lemma`, `start`, `arc`, `label`, `ner`; 1 where there is none."""
    scores: Mapping[str, float] = field(default_factory=dict)

    def temperature(self, head: str) -> float:
        return self.temperatures.get(head, 1.0)


class Words:
    """A sorted vocabulary in one stretch of UTF-8, mapped."""

    def __init__(self, letters: NDArray[np.uint8], offsets: NDArray[np.uint32]) -> None:
        self._letters, self._offsets = letters, offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def rows(self, words: Sequence[str]) -> NDArray[np.int32]:
        """The number of each word, or -1. Cost: O(log n) comparisons a word."""
        return vocabulary_rows(words, self._letters, self._offsets)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A loaded model."""

    description: Description
    arrays: Mapping[str, Array]
    """By name: tables int8 and mapped, the rest float32. What they are is in `shapes`."""
    vocabulary: Words
    """Word i, a norm of `features.norms`, has row i + 1 of `vectors`."""
    lexicon: Words
    lexicon_rules: NDArray[np.int32]
    """Of each word of the lexicon, "form TAB upos" in small letters."""
    digest: str
    """Of all that it says."""


def shapes(about: Description, n_vectors: int) -> dict[str, tuple[int, ...]]:
    """The arrays of a model, less the scales of its tables and its vocabularies.

    Rows of weights are outputs. Of a maxout, rows 2 k and 2 k + 1 are the pieces of unit k; of a
    minGRU come the gates first, then the values; a window's columns are the token before, itself, the
    one after.

    Args:
        n_vectors: rows of `vectors`, the first one for the unknown word; 0 for a model without.
    """
    tables = [*features.TABLES, features.GRAM_TABLE]
    names = [*(f"table.{i}" for i in range(len(features.TABLES))), "table.grams"]
    found: dict[str, tuple[int, ...]] = dict(zip(names, tables, strict=True))
    n_inputs = sum(width for _, width in tables) + features.N_FLAGS
    if n_vectors:
        found["vectors"] = (n_vectors, features.VECTOR_WIDTH)
        n_inputs += features.VECTOR_WIDTH
    d, wide = about.width, 2 * about.hidden

    def linear(name: str, n_out: int, n_in: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (n_out, n_in), (n_out,)

    for name, n_in in (("in", n_inputs), ("conv1", 3 * d), ("conv2", 3 * d)):
        linear(name, 2 * d, n_in)
        found[f"{name}.ln.weight"] = found[f"{name}.ln.bias"] = (d,)
    found["conv1.bits"] = (features.N_CONTEXT, 2 * d)
    for name, n_in in (("gru3", d), ("gru4", wide)):
        linear(f"{name}.fwd", wide, n_in)
        linear(f"{name}.bwd", wide, n_in)
        found[f"{name}.ln.weight"] = found[f"{name}.ln.bias"] = (wide,)
    linear("tags", about.tags, wide)
    outputs = {
        "upos": len(about.upos), "xpos": len(about.xpos), "feats": len(about.feats),
        "lemma": about.n_choices, "start": 1,
    }  # fmt: skip
    for name, n_out in outputs.items():
        linear(name, n_out, about.tags)
    found["root"] = (wide,)
    linear("arc.head", about.arc, wide)
    linear("arc.dep", about.arc, wide)
    found |= {"arc.w": (about.arc, about.arc), "arc.u": (about.arc,), "arc.dist": (64,)}
    found["label.head.weight"] = found["label.dep.weight"] = (about.label, wide)
    found["label.bias"] = (about.label,)
    linear("label.out", len(about.relations), about.label)
    linear("ner.hidden", about.ner, wide)
    linear("ner.out", 1 + len(PARTS) * len(about.entities), about.ner)
    return found


def is_table(name: str) -> bool:
    """Whether an array is stored as int8."""
    return name == "vectors" or name.startswith("table.")


def save(
    directory: Path,
    about: Description,
    arrays: Mapping[str, Array],
    *,
    words: Mapping[str, int] | None = None,
    lexicon: Mapping[str, int] | None = None,
) -> int:
    """Write a model.

    Args:
        arrays: floats of the names and shapes of `shapes`, with `vectors` or without.
        words: rows of `vectors` by norm; row 0 is the unknown word's.
        lexicon: rules by "form TAB upos".

    Returns:
        Bytes written. Equal models give equal bytes.

    Raises:
        InvalidInput: an array is missing, too many, of another shape, or not of finite numbers.
    """
    words, lexicon = words or {}, lexicon or {}
    wanted = shapes(about, len(arrays["vectors"]) if "vectors" in arrays else 0)
    given = {name: tuple(np.shape(array)) for name, array in arrays.items()}
    if given != wanted:
        wrong = sorted(n for n in given.keys() | wanted.keys() if given.get(n) != wanted.get(n))
        raise InvalidInput("the arrays are not those of the model described", arrays=wrong)
    stored: dict[str, Array] = {}
    if "vectors" in arrays:
        if not words:
            raise InvalidInput("vectors without words")
        rows = [words[w] for w in sorted(words, key=str.encode)]
        arrays = {**arrays, "vectors": arrays["vectors"][[0, *rows]]}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InvalidInput("an array holds what is no number", array=name)
        if is_table(name):
            stored[name], stored[f"{name}.scale"] = _rounded(np.asarray(array, np.float32))
        else:
            if np.abs(array).max(initial=0) > np.finfo(np.float16).max:
                raise InvalidInput("an array holds more than half floats can", array=name)
            stored[name] = np.asarray(array, np.float16)
    stored["vectors.letters"], stored["vectors.offsets"] = _joined(words)
    stored["lexicon.letters"], stored["lexicon.offsets"] = _joined(lexicon)
    rules = [lexicon[w] for w in sorted(lexicon, key=str.encode)]
    stored["lexicon.rules"] = np.array(rules, np.int32)

    directory.mkdir(parents=True, exist_ok=True)
    data = _packed(stored)
    described = {
        "format": FORMAT,
        "features": features.DIGEST,
        **asdict(about),
        "weights": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
    }
    text = json.dumps(described, indent=1, ensure_ascii=False).encode()
    (directory / WEIGHTS).write_bytes(data)
    (directory / DESCRIPTION).write_bytes(text)
    return len(data) + len(text)


def _rounded(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    scale = np.abs(table).max(axis=1) / np.float32(127)
    scale[scale == 0] = 1
    return np.rint(table / scale[:, None]).astype(np.int8), scale


def _joined(words: Mapping[str, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    encoded = sorted(word.encode() for word in words)
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.uint32)
    return np.frombuffer(b"".join(encoded), np.uint8), offsets


def _packed(arrays: Mapping[str, Array]) -> bytes:
    """As a safetensors file, its header padded so that what follows is aligned."""
    header: dict[str, Any] = {}
    parts: list[bytes] = []
    at = 0
    # The widest numbers first, so that each array begins at a multiple of its own.
    for name in sorted(arrays, key=lambda n: (-arrays[n].itemsize, n)):
        data = arrays[name].tobytes()
        header[name] = {
            "dtype": _STORED[arrays[name].dtype.name],
            "shape": list(arrays[name].shape),
            "data_offsets": [at, at + len(data)],
        }
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def load(directory: Path) -> Model:
    """Map a model. Cost: reads what is not a table, about 2 MB and 10 ms.

    Raises:
        Misconfigured: there is none, or one of another release.
        Corrupt: its parts do not fit together.
    """
    try:
        text = (directory / DESCRIPTION).read_bytes()
        size = (directory / WEIGHTS).stat().st_size
    except OSError as exc:
        raise Misconfigured("no language model is there", directory=str(directory)) from exc
    about, weights = _described(text)
    if size != weights["bytes"]:
        raise Corrupt("the model's weights are not those described", size_bytes=size)
    file = directory / WEIGHTS
    offsets = mapped.tensor(file, "vectors.offsets")
    n_vectors = len(offsets) if len(offsets) > 1 else 0
    arrays: dict[str, Array] = {}
    for name, shape in shapes(about, n_vectors).items():
        array = mapped.tensor(file, name)
        if array.shape != shape:
            raise Corrupt("the model's weights are not of their shape", array=name)
        if is_table(name):
            arrays[name] = array
            arrays[f"{name}.scale"] = mapped.tensor(file, f"{name}.scale")
        else:
            arrays[name] = array.astype(np.float32)
    digest = hashlib.sha256(text).hexdigest()  # which has the digest of the weights in it
    return Model(
        description=about,
        arrays=arrays,
        vocabulary=Words(mapped.tensor(file, "vectors.letters"), offsets),
        lexicon=Words(*(mapped.tensor(file, f"lexicon.{n}") for n in ("letters", "offsets"))),
        lexicon_rules=mapped.tensor(file, "lexicon.rules"),
        digest=digest,
    )


def _described(text: bytes) -> tuple[Description, Mapping[str, Any]]:
    try:
        found = json.loads(text)
        if found["format"] != FORMAT or found["features"] != features.DIGEST:
            raise Misconfigured("the language model is of another release", format=found["format"])
        told = {f.name: _frozen(found[f.name]) for f in fields(Description)}
        weights: Mapping[str, Any] = found["weights"]
        return Description(**told), {"bytes": int(weights["bytes"])}
    except (ValueError, KeyError, TypeError) as exc:
        raise Corrupt("the description of the language model cannot be read") from exc


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def tag_names(entities: Sequence[str] = ENTITIES) -> list[str]:
    """The tags in their order: O, B-PERSON, I-PERSON, L-PERSON, U-PERSON, B-NORP and so on."""
    return ["O", *(f"{part}-{name}" for name in entities for part in PARTS)]
