"""Texts to vectors whose dot product says how alike they are."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, InvalidInput, Misconfigured
from salient.kernels import hashed_sums
from salient.kernels.hashing import hash_bytes
from salient.learning import mapped
from salient.learning.registry import PREFIX, Model, Registry

POTION = "potion-base-8M"
_BATCH = 1024  # texts; bounds what one call holds beside its result
_FILES = ("model.safetensors", "tokenizer.json")


class Encoder(ABC):
    """Encodes texts.

    What every encoder promises, and `tests/unit/learning/test_vectors.py` checks:

    - Rows are float32 of length 1; a text without a word the encoder knows is a row of zeros.
    - A text's row depends on that text and `component` alone, in whatever batch it comes.
    - Nothing is loaded before it is asked for, and weights are mapped read-only, so that processes
      share one copy.
    - Threads may share an instance.
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def version(self) -> str:
        """Changes when equal texts may get other rows: hash of the weights, or of the rules."""

    @property
    @abstractmethod
    def dimensions(self) -> int: ...

    @property
    def component(self) -> str:
        """`name@version`; vectors of two components must not be compared."""
        return f"{self.name}@{self.version}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts.

        Returns:
            (n_texts, dimensions) float32, C-contiguous, rows of length 1 or 0.
        """
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for first in range(0, len(texts), _BATCH):
            rows[first : first + _BATCH] = self._sums(texts[first : first + _BATCH])
        # In double precision, so that not even the smallest sums lose their length.
        norms = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
        norms[norms == 0] = 1
        rows /= norms
        return rows

    @abstractmethod
    def _sums(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n_texts, dimensions), of any length."""


# Words of English so frequent that they say nothing of a text's subject.
_STOP = """
a about above after again all also am an and any are as at be because been before being below between both but by can
could did do does doing down during each few for from further had has have having he her here hers him his how i if in
into is it its itself just me more most my no nor not now of off on once only or other our ours out over own s same
she should so some such t than that the their theirs them then there these they this those through to too under until
up us very was we were what when where which while who whom why will with would you your yours may shall upon
""".split()


@final
class HashingEncoder(Encoder):
    """Signed hashes of words and character n-grams: needs no data, knows no synonyms.

    Works in any language written in words; sums are dampened by a square root, so that a word said
    ten times does not drown the rest.
    """

    name: ClassVar[str] = "salient.hashing.v1"
    version = "1"

    @property
    def dimensions(self) -> int:
        return 256

    def _sums(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encoded = [text.lower().encode("utf-8", "replace") for text in texts]
        sums = hashed_sums(encoded, _skipped(), self.dimensions).astype(np.float32)
        return np.asarray(np.sign(sums) * np.sqrt(np.abs(sums)), np.float32)


@cache
def _skipped() -> NDArray[np.uint64]:
    return np.array(sorted({hash_bytes(word.encode()) for word in _STOP}), np.uint64)


def model_folder(name: str) -> Path:
    """Where the set-up puts a model's files."""
    return Path(sys.prefix) / "share" / "salient" / "models" / name


@final
class PotionEncoder(Encoder):
    """The mean of static word-piece vectors, which were distilled from a transformer.

    Source: potion-base-8M (MIT), Model2Vec, doi:10.5281/zenodo.17270888; read here without its
    library, so that the weights stay mapped.
    """

    name: ClassVar[str] = "salient.potion.v1"

    def __init__(self, folder: Path | None = None) -> None:
        """Name the folder with `model.safetensors` and `tokenizer.json`; nothing is read yet.

        Args:
            folder: of a model in that form; None is where the set-up puts potion-base-8M.

        Raises:
            Misconfigured: the folder lacks one of the files.
        """
        self._folder = folder or model_folder(POTION)
        self._model: Model | None = None
        self._digests: Mapping[str, str] = {}
        for file in _FILES:
            if not (self._folder / file).is_file():
                raise Misconfigured(
                    f"the vectors of {POTION} are not installed: run `python3 x.py setup`",
                    missing=file,
                )

    @classmethod
    def of(cls, model: Model) -> PotionEncoder:
        """Of a published model in that form, which stays open for as long as the encoder is used.

        Raises:
            Misconfigured: the model lacks one of the files.
        """
        missing = [file for file in _FILES if file not in model.digests]
        if missing:
            raise Misconfigured(
                f"the model {model.name!r} holds no vectors: it lacks {missing[0]}",
                model=model.name,
            )
        encoder = cls(model.path)
        encoder._model, encoder._digests = model, model.digests
        return encoder

    @cached_property
    def version(self) -> str:
        digest = hashlib.sha256()
        for name in _FILES:
            digest.update(bytes.fromhex(self._digests.get(name) or _sha256(self._folder / name)))
        return digest.hexdigest()[:12]

    @property
    def dimensions(self) -> int:
        return int(self._weights.shape[1])

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        """(n_pieces, dimensions) float32, mapped."""
        weights = mapped_tensor(self._folder / "model.safetensors", "embeddings")
        if weights.ndim != 2:
            raise Corrupt("weights are not a table", shape=list(weights.shape))
        return weights

    @cached_property
    def _tokenizer(self) -> tuple[Any, int]:
        """The tokenizer and the number of its piece for what it does not know, or -1."""
        # Processes are many already; its threads would fight over the same cores.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import Tokenizer

        written = (self._folder / "tokenizer.json").read_bytes()
        _check_tokenizer(written)
        tokenizer = Tokenizer.from_str(written.decode())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        if tokenizer.get_vocab_size() > len(self._weights):
            raise Corrupt(
                "the tokenizer has more pieces than there are vectors",
                n_pieces=tokenizer.get_vocab_size(),
                n_vectors=len(self._weights),
            )
        unknown = tokenizer.token_to_id("[UNK]")
        return tokenizer, -1 if unknown is None else unknown

    def _sums(self, texts: Sequence[str]) -> NDArray[np.float32]:
        tokenizer, unknown = self._tokenizer
        sums = np.zeros((len(texts), self.dimensions), np.float32)
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        weights = self._weights
        for row, coded in enumerate(tokenizer.encode_batch_fast(clean, add_special_tokens=False)):
            ids = np.array(coded.ids, np.int64)
            ids = ids[ids != unknown]
            if len(ids):
                sums[row] = weights[ids].mean(axis=0, dtype=np.float64)
        return sums


def _check_tokenizer(written: bytes) -> None:
    """Refuse what is no tokenizer's description; the library's own refusal has no type to catch."""
    try:
        model = json.loads(written)["model"]
        whole = isinstance(model["vocab"], dict | list)
    except (ValueError, KeyError, TypeError) as exc:
        raise Corrupt("tokenizer file cannot be read") from exc
    if not whole:
        raise Corrupt("tokenizer file holds no vocabulary")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mapped_tensor(path: Path, name: str) -> NDArray[np.float32]:
    """Map one float32 tensor of a safetensors file, read-only.

    Raises:
        Corrupt: the file is not of that form, is cut short, or holds no such tensor.
    """
    weights = mapped.tensor(path, name)
    if weights.dtype != np.float32:
        raise Corrupt("weights are not float32", file=path.name, tensor=name)
    return weights


ENCODERS: dict[str, type[Encoder]] = {"hashing": HashingEncoder, "potion": PotionEncoder}


def open_encoder(spec: str = "auto", models: Registry | None = None) -> Encoder:
    """Open an encoder by name; `auto` is `potion` where its data is installed, else `hashing`.

    Args:
        spec: also `vectors:FOLDER` of words' vectors that were trained here, `transformer` or
            `transformer:FOLDER` of a network in ONNX (an extra), and `model:NAME` or
            `model:NAME@VERSION` of a published model of any of these forms.
        models: where those are.

    Raises:
        InvalidInput: no encoder has that name.
        Misconfigured: the encoder's data is not installed, or its model holds none.
        NotFound: no such model was published.
    """
    if spec == "auto":
        try:
            return PotionEncoder()
        except Misconfigured:
            return HashingEncoder()
    if spec.startswith(PREFIX):
        if models is None:
            raise Misconfigured(f"{spec!r} is a published model, and there is no registry here")
        return _published(models.open_named(spec))
    kind, _, folder = spec.partition(":")
    if kind == "vectors" and folder:
        from salient.learning.embeddings.encoder import WordsEncoder

        return WordsEncoder(Path(folder))
    if kind == "transformer":
        from salient.learning.transformer import TransformerEncoder

        return TransformerEncoder(Path(folder) if folder else None)
    if spec not in ENCODERS:
        known = ["auto", *sorted(ENCODERS), "model:NAME", "transformer", "vectors:FOLDER"]
        raise InvalidInput(f"no encoder {spec!r}: there are {', '.join(known)}", known=known)
    return ENCODERS[spec]()


def _published(model: Model) -> Encoder:
    """By the files that it has."""
    if "vectors.json" in model.digests:
        from salient.learning.embeddings.encoder import WordsEncoder

        return WordsEncoder.of(model)
    if "model.onnx" in model.digests:
        from salient.learning.transformer import TransformerEncoder

        return TransformerEncoder.of(model)
    return PotionEncoder.of(model)
