"""MiniLM in PyTorch: word pieces of words, and BERT's encoder over them.

Needs PyTorch (the extra `train`). Only for training; nothing of this runs in a product.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from salient.errors import InvalidInput
from salient.kernels.hashing import hash_bytes

MOST_PIECES = 12
"""Word pieces read of one word: the first ones; a URL's tail tells nothing more."""

MOST_IN_A_ROW = 256
"""Word pieces of one piece of text; a longer sentence stands alone, cut at `MOST_POSITIONS`."""

MOST_POSITIONS = 510
_CLS, _SEP, _MASK, _UNKNOWN_PIECE = 101, 102, 103, 100
N_SHAPES, N_SUFFIXES, N_CASES = 2048, 8192, 12


def narrowed() -> torch.autocast:
    """A context with products in bfloat16, on machines that have it; elsewhere it would cost nine times more."""
    has = torch.cpu._is_avx512_bf16_supported()  # PyTorch has no public way to ask
    return torch.autocast("cpu", torch.bfloat16, enabled=has)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the encoder measures; the defaults are all-MiniLM-L6-v2's."""

    pieces: int = 30522
    width: int = 384
    layers: int = 6
    attention: int = 12
    inner: int = 1536
    positions: int = 512
    hidden: int = 256
    label: int = 128


def shape_of(form: str) -> str:
    """Letters as X or x, digits as d, the rest as it is; runs over three are cut to three."""
    plain = (
        "d" if c.isdigit() else ("X" if c.isupper() else "x") if c.isalpha() else c for c in form
    )
    return "".join("".join(itertools.islice(run, 3)) for _, run in itertools.groupby(plain))


def case_of(form: str) -> int:
    """Number of the word's kind of casing, 1 to 11."""
    if form.isalpha():
        if form.isupper():
            return 1 if len(form) > 1 else 2
        if form.islower():
            return 3
        return 4 if form[0].isupper() and form[1:].islower() else 5
    if form.isdigit():
        return 6
    if any(c.isalpha() for c in form):
        return 7 if form.islower() else 8 if form.isupper() else 9
    return 10 if any(c.isdigit() for c in form) else 11


class Words:
    """Numbers of words, remembered by form. Not safe for threads."""

    def __init__(self, tokenizer: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._known: dict[str, tuple[tuple[int, ...], tuple[int, int, int, int]]] = {}

    def __call__(self, form: str) -> tuple[tuple[int, ...], tuple[int, int, int, int]]:
        """The word's pieces, at least one, and (shape, suffix of three, of two, case)."""
        found = self._known.get(form)
        if found is None:
            pieces = self._tokenizer.encode(form, add_special_tokens=False).ids[:MOST_PIECES]
            lower = form.casefold()
            traits = (
                1 + hash_bytes(shape_of(form).encode("utf-8", "replace")) % (N_SHAPES - 1),
                1 + hash_bytes(b"3" + lower[-3:].encode("utf-8", "replace")) % (N_SUFFIXES - 1),
                1 + hash_bytes(b"2" + lower[-2:].encode("utf-8", "replace")) % (N_SUFFIXES - 1),
                case_of(form),
            )
            found = self._known[form] = (tuple(pieces) or (_UNKNOWN_PIECE,), traits)
        return found


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of words as padded arrays.

    Attributes:
        pieces: (b, l) int64, with [CLS] and [SEP]; 0 is padding.
        of_word: (b, l) int64, the word a piece is of; `words` where it is of none.
        traits: (b, words, 4) int64, 0 is padding.
        sentence: (b, words) int64, number of the sentence in the text; -1 is padding.
    """

    pieces: Tensor
    of_word: Tensor
    traits: Tensor
    sentence: Tensor


def batch_of(
    texts: Sequence[Sequence[str]],
    sentences: Sequence[Sequence[int]],
    words: Words,
    *,
    masked: Callable[[], bool] | None = None,
) -> Batch:
    """Put texts side by side.

    Args:
        texts: the words of each.
        sentences: the number of its sentence for each word.
        masked: asked for each piece whether to hide it, in training.
    """
    rows = [[words(form) for form in text] for text in texts]
    longest = max(len(text) for text in texts)
    widest = min(MOST_POSITIONS, max(sum(len(p) for p, _ in row) for row in rows)) + 2
    pieces = np.zeros((len(texts), widest), np.int64)
    of_word = np.full((len(texts), widest), longest, np.int64)
    traits = np.zeros((len(texts), longest, 4), np.int64)
    sentence = np.full((len(texts), longest), -1, np.int64)
    for i, row in enumerate(rows):
        at = 1
        pieces[i, 0] = _CLS
        for j, (ids, kinds) in enumerate(row):
            traits[i, j] = kinds
            for one in ids[: max(0, widest - 1 - at)]:
                pieces[i, at] = _MASK if masked is not None and masked() else one
                of_word[i, at] = j
                at += 1
        pieces[i, at] = _SEP
        sentence[i, : len(row)] = sentences[i]
    return Batch(*(torch.from_numpy(a) for a in (pieces, of_word, traits, sentence)))


class _Layer(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads = sizes.attention
        self.qkv = nn.Linear(sizes.width, 3 * sizes.width)
        self.out = nn.Linear(sizes.width, sizes.width)
        self.norm1 = nn.LayerNorm(sizes.width, eps=1e-12)
        self.up = nn.Linear(sizes.width, sizes.inner)
        self.down = nn.Linear(sizes.inner, sizes.width)
        self.norm2 = nn.LayerNorm(sizes.width, eps=1e-12)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        x = self.norm1(x + self.out(mixed.transpose(1, 2).reshape(b, n, d)))
        y: Tensor = self.norm2(x + self.down(F.gelu(self.up(x))))
        return y


class Encoder(nn.Module):
    """BERT's encoder, with the casing of words added to the input of an uncased model.

    Source: Devlin et al. 2019, arXiv:1810.04805; weights Wang et al. 2020, arXiv:2002.10957, as
    fine-tuned and published under Apache-2.0 as all-MiniLM-L6-v2.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.word = nn.Embedding(sizes.pieces, sizes.width)
        self.position = nn.Embedding(sizes.positions, sizes.width)
        self.kind = nn.Parameter(torch.zeros(sizes.width))
        self.norm = nn.LayerNorm(sizes.width, eps=1e-12)
        self.case = nn.Embedding(N_CASES, sizes.width)
        nn.init.zeros_(self.case.weight)
        self.layers = nn.ModuleList(_Layer(sizes) for _ in range(sizes.layers))

    def forward(self, pieces: Tensor, cases: Tensor) -> list[Tensor]:
        """The input and each layer's output, (b, l, width) each."""
        with torch.no_grad():  # too many to be learned from what we have
            x = self.norm(self.word(pieces) + self.position.weight[: pieces.shape[1]] + self.kind)
        x = x + self.case(cases)
        if torch.is_autocast_enabled("cpu"):  # else every sum would widen it again
            x = x.to(torch.get_autocast_dtype("cpu"))
        seen = (pieces > 0)[:, None, None, :]
        states = [x]
        for layer in self.layers:
            x = layer(x, seen)
            states.append(x)
        return states

    def load_minilm(self, weights: Mapping[str, Tensor]) -> None:
        """Take over BERT's tensors by their usual names.

        Raises:
            InvalidInput: a tensor is missing.
        """
        try:
            state = dict(self._renamed(weights))
        except KeyError as exc:
            raise InvalidInput("these are not the weights of a BERT", missing=str(exc)) from exc
        self.load_state_dict(state)

    def _renamed(self, weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        yield "case.weight", self.case.weight.detach()
        yield "word.weight", weights["embeddings.word_embeddings.weight"]
        yield "position.weight", weights["embeddings.position_embeddings.weight"]
        yield "kind", weights["embeddings.token_type_embeddings.weight"][0]
        for end in ("weight", "bias"):
            yield f"norm.{end}", weights[f"embeddings.LayerNorm.{end}"]
            for i in range(len(self.layers)):
                old, new = f"encoder.layer.{i}", f"layers.{i}"
                parts = [
                    weights[f"{old}.attention.self.{p}.{end}"] for p in ("query", "key", "value")
                ]
                yield f"{new}.qkv.{end}", torch.cat(parts)
                yield f"{new}.out.{end}", weights[f"{old}.attention.output.dense.{end}"]
                yield f"{new}.norm1.{end}", weights[f"{old}.attention.output.LayerNorm.{end}"]
                yield f"{new}.up.{end}", weights[f"{old}.intermediate.dense.{end}"]
                yield f"{new}.down.{end}", weights[f"{old}.output.dense.{end}"]
                yield f"{new}.norm2.{end}", weights[f"{old}.output.LayerNorm.{end}"]
