"""Make a model directory of a trained student, as `nlp.native.model` writes it, and read one back."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from salient.learning import mapped
from salient.nlp.native import model
from salient.nlp.training.data import Labels
from salient.nlp.training.lemmas import Lemmas
from salient.nlp.training.network import Sizes, Student

Arrays = dict[str, NDArray[np.float32]]

# Name in the file -> name in `Student`; each has a weight and a bias.
_LAYERS: Final = {
    "gru3.fwd": "gru3.fwd", "gru3.bwd": "gru3.bwd", "gru3.ln": "gru3.norm",
    "gru4.fwd": "gru4.fwd", "gru4.bwd": "gru4.bwd", "gru4.ln": "gru4.norm",
    "in.ln": "input.norm", "conv1.ln": "window1.norm", "conv2.ln": "window2.norm",
    "tags": "tags", "upos": "upos", "xpos": "xpos", "feats": "feats", "lemma": "lemma", "start": "start",
    "arc.head": "arc_head", "arc.dep": "arc_dep", "label.out": "relation",
    "ner.hidden": "entity_hidden", "ner.out": "entity",
}  # fmt: skip
_SINGLE: Final = {
    "root": "root", "arc.w": "arc_w", "arc.u": "arc_u", "arc.dist": "arc_dist",
    "label.head.weight": "label_head.weight", "label.dep.weight": "label_dep.weight",
    "label.bias": "label_dep.bias",
}  # fmt: skip
_MAXOUT: Final = {"in": "input", "conv1": "window1", "conv2": "window2"}
"""The file has the two pieces of a unit in rows 2 k and 2 k + 1."""


def arrays(student: Student) -> Arrays:
    """The weights by the names, and in the order of rows, of the model directory."""
    state = {name: value.detach().cpu().numpy() for name, value in student.state_dict().items()}
    made = {f"table.{at}": state[f"tables.{at}.weight"] for at in range(len(student.sizes.tables))}
    made["table.grams"] = state["grams.weight"]
    if student.sizes.n_vectors:
        made["vectors"] = state["vectors"]
    for name, own in _LAYERS.items():
        made |= {f"{name}.{part}": state[f"{own}.{part}"] for part in ("weight", "bias")}
    made |= {name: state[own] for name, own in _SINGLE.items()}
    for name, own in _MAXOUT.items():
        made |= {
            f"{name}.{part}": _beside(state[f"{own}.linear.{part}"]) for part in ("weight", "bias")
        }
    made["conv1.bits"] = np.ascontiguousarray(_beside(state["bits"].T).T)
    return made


def student(made: Mapping[str, NDArray[Any]], sizes: Sizes) -> Student:
    """The student that `arrays` was given, less what the file has rounded."""
    built = Student(sizes)
    state: dict[str, NDArray[Any]] = {
        f"tables.{at}.weight": made[f"table.{at}"] for at in range(len(sizes.tables))
    }
    state["grams.weight"] = made["table.grams"]
    if sizes.n_vectors:
        state["vectors"] = made["vectors"]
    for name, own in _LAYERS.items():
        state |= {f"{own}.{part}": made[f"{name}.{part}"] for part in ("weight", "bias")}
    state |= {own: made[name] for name, own in _SINGLE.items()}
    for name, own in _MAXOUT.items():
        state |= {
            f"{own}.linear.{part}": _parted(made[f"{name}.{part}"]) for part in ("weight", "bias")
        }
    state["bits"] = _parted(made["conv1.bits"].T).T
    built.load_state_dict(
        {name: torch.from_numpy(np.array(value, np.float32)) for name, value in state.items()}
    )
    return built


def _beside(halves: NDArray[Any]) -> NDArray[Any]:
    """Rows 0 to n - 1 and n to 2 n - 1 as rows 0, 2, 4 and so on, and 1, 3, 5."""
    return np.ascontiguousarray(np.stack(np.split(halves, 2), 1).reshape(halves.shape))


def _parted(beside: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(np.concatenate([beside[0::2], beside[1::2]]))


def write(
    folder: Path,
    trained: Student,
    labels: Labels,
    vectors: Mapping[str, int],
    *,
    name: str,
    language: str,
    licence: str,
    scores: Mapping[str, float],
    temperatures: Mapping[str, float] | None = None,
) -> int:
    """Write the model directory and return its size in bytes.

    Args:
        vectors: rows of the student's word vectors by norm.
        temperatures: by head, as `calibration` finds them.
    """
    sizes = trained.sizes
    about = model.Description(
        name=name, language=language, licence=licence, upos=labels.upos, xpos=labels.xpos,
        feats=labels.feats, relations=labels.relations, rules=labels.lemmas.rules,
        n_choices=labels.lemmas.n_choices, width=sizes.width, hidden=sizes.state, tags=sizes.tag,
        arc=sizes.arc, label=sizes.label, ner=sizes.entity, scores=scores,
        temperatures=temperatures or {},
    )  # fmt: skip
    words = vectors if sizes.n_vectors else None
    return model.save(folder, about, arrays(trained), words=words, lexicon=labels.lemmas.lexicon)


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """A model directory, read back for training and measuring."""

    student: Student
    labels: Labels
    vectors: dict[str, int]
    """Rows by norm, as `data.load` takes them."""


def read(folder: Path) -> Written:
    """Read a model directory.

    Raises:
        Misconfigured: there is none, or one of another release.
        Corrupt: its parts do not fit together.
    """
    loaded = model.load(folder)
    about, file = loaded.description, folder / model.WEIGHTS
    lexicon = dict(zip(_words(file, "lexicon"), loaded.lexicon_rules.tolist(), strict=True))
    labels = Labels(
        upos=about.upos, xpos=about.xpos, feats=about.feats, relations=about.relations,
        lemmas=Lemmas(about.rules, about.n_choices, lexicon),
    )  # fmt: skip
    known = _words(file, "vectors")
    sizes = Sizes.of(
        labels, n_vectors=len(known) + 1 if known else 0, width=about.width, state=about.hidden,
        tag=about.tags, arc=about.arc, label=about.label, entity=about.ner,
    )  # fmt: skip
    wide = {
        name: value * loaded.arrays[f"{name}.scale"][:, None] if model.is_table(name) else value
        for name, value in loaded.arrays.items()
        if not name.endswith(".scale")
    }
    vectors = {word: row for row, word in enumerate(known, 1)}
    return Written(student(wide, sizes), labels, vectors)


def _words(file: Path, name: str) -> Sequence[str]:
    blob = mapped.tensor(file, f"{name}.letters").tobytes()
    offsets = mapped.tensor(file, f"{name}.offsets").tolist()
    return [blob[a:b].decode() for a, b in itertools.pairwise(offsets)]
