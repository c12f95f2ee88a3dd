"""A teacher small enough for tests: random weights, and word pieces of single letters and a few words."""

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from salient.nlp.training.entities import TAGS
from salient.nlp.training.minilm import Sizes
from salient.nlp.training.teacher import Names, Sentence

SIZES = Sizes(pieces=200, width=24, layers=2, attention=2, inner=32, hidden=16, label=8)
NAMES = Names(
    upos=("NOUN", "VERB", "PUNCT"), xpos=("NN", "VBZ", "."), feats=("_", "Number=Sing"),
    relations=("root", "nsubj", "punct"), entities=TAGS,
)  # fmt: skip


def tokenizer(path):
    """Write a tokenizer whose special pieces have BERT's numbers."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list(".,0123456789")
    words = {f"[unused{i}]": i for i in range(100)}
    words |= {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
    known = [*letters, *(f"##{c}" for c in letters), "cats", "sleep"]
    words |= {piece: 104 + i for i, piece in enumerate(known)}
    made = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.save(str(path))
    return path


def sentence(*rows, entities=None):
    """Of (form, upos, head from 0 or -1, relation), by the numbers of `NAMES`."""
    forms, upos, heads, relations = zip(*rows, strict=True)
    return Sentence(
        forms,
        np.array([[u, u, 0] for u in upos], np.int16),
        np.array(heads, np.int16),
        np.array(relations, np.int16),
        np.array(entities or [0] * len(forms), np.int16),
    )


CATS = sentence(("Cats", 0, 1, 1), ("sleep", 1, -1, 0), (".", 2, 1, 2))
ANNA = sentence(("Anna", 0, 1, 1), ("naps", 1, -1, 0), (".", 2, 1, 2), entities=[1, 0, 0])
ALLOWED = np.array([[tag == "O" for tag in TAGS], [tag == "U-PERSON" for tag in TAGS]])
