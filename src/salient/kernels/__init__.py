"""Hot loops, each written twice: `segments.py` defines it, `_segments.pyx` is the same, compiled.

The compiled twin is what runs. If it is missing that is an error, not a slow day:
set SALIENT_PURE_PYTHON=1 to run the definitions instead.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or os.environ.get("SALIENT_PURE_PYTHON") == "1":
    from salient.kernels.candidates import noun_phrases, phrase_worth
    from salient.kernels.changes import changes_summed, row_changes
    from salient.kernels.decode import entity_spans, spanning_tree, trees
    from salient.kernels.embedding import train_embeddings
    from salient.kernels.encoder import Encoder
    from salient.kernels.fields import field_texts
    from salient.kernels.hashing import hashed_sums
    from salient.kernels.linear import (
        linear_pass,
        linear_scores,
        linear_settled,
        sparse_scores,
    )
    from salient.kernels.minhash import band_keys, jaccard, minhash
    from salient.kernels.phrases import longest_phrases, word_codes, word_hashes
    from salient.kernels.segments import chunk_spans, name_spans, token_spans, utf8_offsets
    from salient.kernels.sentences import term_numbers, term_sentences
    from salient.kernels.terms import hashed_features, term_hashes
    from salient.kernels.tokens import unit_words, word_spans
    from salient.kernels.types import norms_of, type_rows, vocabulary_rows
    from salient.kernels.words import (
        case_counts,
        first_uses,
        letter_words,
        lone_words,
        span_types,
    )
else:
    try:
        from salient.kernels._candidates import noun_phrases, phrase_worth
        from salient.kernels._changes import changes_summed, row_changes
        from salient.kernels._decode import entity_spans, spanning_tree, trees
        from salient.kernels._embedding import train_embeddings
        from salient.kernels._encoder import Encoder
        from salient.kernels._fields import field_texts
        from salient.kernels._hashing import hashed_sums
        from salient.kernels._linear import (
            linear_pass,
            linear_scores,
            linear_settled,
            sparse_scores,
        )
        from salient.kernels._minhash import band_keys, jaccard, minhash
        from salient.kernels._phrases import longest_phrases, word_codes, word_hashes
        from salient.kernels._segments import chunk_spans, name_spans, token_spans, utf8_offsets
        from salient.kernels._sentences import term_numbers, term_sentences
        from salient.kernels._terms import hashed_features, term_hashes
        from salient.kernels._tokens import unit_words, word_spans
        from salient.kernels._types import norms_of, type_rows, vocabulary_rows
        from salient.kernels._words import (
            case_counts,
            first_uses,
            letter_words,
            lone_words,
            span_types,
        )
    except ImportError as exc:
        raise ImportError(
            "the compiled kernels are missing: build them (pip install -e .), "
            "or set SALIENT_PURE_PYTHON=1 to run their slow definitions"
        ) from exc

__all__ = [
    "Encoder",
    "band_keys",
    "case_counts",
    "changes_summed",
    "chunk_spans",
    "entity_spans",
    "field_texts",
    "first_uses",
    "hashed_features",
    "hashed_sums",
    "jaccard",
    "letter_words",
    "linear_pass",
    "linear_scores",
    "linear_settled",
    "lone_words",
    "longest_phrases",
    "minhash",
    "name_spans",
    "norms_of",
    "noun_phrases",
    "phrase_worth",
    "row_changes",
    "span_types",
    "spanning_tree",
    "sparse_scores",
    "term_hashes",
    "term_numbers",
    "term_sentences",
    "token_spans",
    "train_embeddings",
    "trees",
    "type_rows",
    "unit_words",
    "utf8_offsets",
    "vocabulary_rows",
    "word_codes",
    "word_hashes",
    "word_spans",
]  # fmt: skip
