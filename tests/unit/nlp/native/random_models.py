"""Models of random weights: wrong about everything, and the same each time."""

from pathlib import Path

import numpy as np

from salient.nlp.native import model

UPOS = ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN",
        "PUNCT", "SCONJ", "SYM", "VERB", "X")  # fmt: skip
# Nothing to do; "-s" and "-ing" fall; "was" is "be"; three letters are too many for most words.
RULES = (
    (0, (0, 0, None, None)),
    (0, (0, 1, None, ("s", ""))),
    (0, (0, 3, None, ("ing", ""))),
    (0, ("was", "be")),
    (1, (0, 30, None, ("", "x"))),
)
LEXICON = {"ships\tNOUN": 1, "men\tNOUN": 3, "was\tAUX": 3}
WORDS = {"the": 3, "ship": 1, "0000": 2, "größe": 4}


def description(**more):
    told = {
        "name": "random", "language": "en", "licence": "none", "upos": UPOS,
        "xpos": tuple(f"X{i}" for i in range(50)), "feats": ("_", *(f"F={i}" for i in range(90))),
        "relations": ("root", "punct", *(f"r{i}" for i in range(45))), "rules": RULES, "n_choices": 4,
    }  # fmt: skip
    return model.Description(**(told | more))


def arrays(about, words=WORDS, seed=5, scale=1.0, no_name=3.0):
    """As a network begins: no layer's numbers are much larger or smaller than those before it."""
    made = {}
    rng = np.random.default_rng(seed)
    n_vectors = len(words) + 1 if words else 0
    for name, shape in model.shapes(about, n_vectors).items():
        drawn = rng.standard_normal(shape, np.float32)
        if name.endswith("ln.weight"):
            made[name] = 1 + 0.1 * drawn
        elif len(shape) == 2 and not model.is_table(name):
            made[name] = scale * drawn * (2 / shape[1]) ** 0.5
        else:
            made[name] = 0.3 * drawn
    made["ner.out.bias"][0] = no_name  # names are few
    return made


def write(directory: Path, about=None, words=WORDS, lexicon=LEXICON, **more) -> Path:
    about = about or description()
    model.save(directory, about, arrays(about, words, **more), words=words, lexicon=lexicon)
    return directory
