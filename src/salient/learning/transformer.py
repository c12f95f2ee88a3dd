"""Texts to vectors by a transformer in ONNX, run by ONNX Runtime: slower, and better. An extra.

The folder has `model.onnx`, with inputs `input_ids` and `attention_mask` (and `token_type_ids`, if it
wants them) and an output of (n, dimensions), or of (n, n_tokens, dimensions), whose mean is taken; and
`tokenizer.json`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, Misconfigured
from salient.learning.registry import Model
from salient.learning.vectors import Encoder, model_folder

MINILM = "all-MiniLM-L6-v2"
NETWORK, TOKENIZER = "model.onnx", "tokenizer.json"
_TOGETHER = 32  # texts that are computed at once
_LONGEST = 256  # pieces; what is behind them is not read


@final
class TransformerEncoder(Encoder):
    """The mean of a transformer's last states over a text's first pieces."""

    name: ClassVar[str] = "salient.transformer.v1"

    def __init__(
        self, folder: Path | None = None, digests: Mapping[str, str] | None = None
    ) -> None:
        """Name the folder with `model.onnx` and `tokenizer.json`; nothing is read yet.

        Args:
            folder: None is where all-MiniLM-L6-v2 is put.

        Raises:
            Misconfigured: ONNX Runtime is not installed, or the folder lacks one of the files.
        """
        try:
            import onnxruntime  # noqa: F401 - whether it is there
        except ImportError as exc:
            raise Misconfigured(
                "ONNX Runtime is not installed: pip install 'salient[transformer]'"
            ) from exc
        self._folder = folder or model_folder(MINILM)
        self._digests = digests or {}
        self._model: Model | None = None
        for file in (NETWORK, TOKENIZER):
            if not (self._folder / file).is_file():
                raise Misconfigured(
                    f"{self._folder} has no {file}: put a network in ONNX and its tokenizer there",
                    missing=file,
                )

    @classmethod
    def of(cls, model: Model) -> TransformerEncoder:
        """Of a published model, which stays open for as long as the encoder is used.

        Raises:
            Misconfigured: ONNX Runtime is not installed, or the model lacks a file.
        """
        encoder = cls(model.path, model.digests)
        encoder._model = model
        return encoder

    @cached_property
    def version(self) -> str:
        digest = hashlib.sha256()
        for name in (NETWORK, TOKENIZER):
            with (self._folder / name).open("rb") as file:
                known = self._digests.get(name) or hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(bytes.fromhex(known))
        return digest.hexdigest()[:12]

    @cached_property
    def dimensions(self) -> int:
        return self._width

    @cached_property
    def _width(self) -> int:
        """As the network says, or by trying it."""
        said = self._session.get_outputs()[0].shape[-1]
        return said if isinstance(said, int) else int(self._run([[0]]).shape[1])

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # processes are many already
        options.inter_op_num_threads = 1
        try:
            return onnxruntime.InferenceSession(
                str(self._folder / NETWORK), options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:  # the library's own classes differ by what is wrong with the file
            raise Corrupt("the network cannot be read by ONNX Runtime", file=NETWORK) from exc

    @cached_property
    def _tokenizer(self) -> Any:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self._folder / TOKENIZER))
        except Exception as exc:  # it raises nothing more exact
            raise Corrupt("tokenizer file cannot be read", file=TOKENIZER) from exc
        tokenizer.no_padding()
        tokenizer.enable_truncation(_LONGEST)
        return tokenizer

    def _sums(self, texts: Sequence[str]) -> NDArray[np.float32]:
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        ids = [coded.ids for coded in self._tokenizer.encode_batch(clean)]
        made: list[NDArray[np.float32] | None] = [None] * len(texts)
        # Those of a length go together, none is filled up: a text's row is the same in any batch.
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        at = 0
        while at < len(order):
            length = len(ids[order[at]])
            together = [i for i in order[at : at + _TOGETHER] if len(ids[i]) == length]
            at += len(together)
            if not length:
                continue  # no piece: a row of zeros
            found = self._run([ids[i] for i in together])
            for i, row in zip(together, found, strict=True):
                made[i] = row if clean[i].strip() else np.zeros_like(row)
        rows = np.zeros((len(texts), self._width), np.float32)
        for i, row in enumerate(made):
            if row is not None:
                rows[i] = row
        return rows

    def _run(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        known = {
            "input_ids": np.array(ids, np.int64),
            "attention_mask": np.ones((len(ids), len(ids[0])), np.int64),
            "token_type_ids": np.zeros((len(ids), len(ids[0])), np.int64),
        }
        wanted = [i.name for i in self._session.get_inputs()]
        if not set(wanted) <= set(known):
            raise Corrupt("the network wants inputs that a tokenizer does not give", wanted=wanted)
        found = np.asarray(self._session.run(None, {n: known[n] for n in wanted})[0], np.float32)
        if found.ndim == 3:
            found = found.mean(axis=1)
        if found.ndim != 2 or len(found) != len(ids):
            raise Corrupt("the network's output is no row a text", shape=list(found.shape))
        return found
