"""Trains the language engine's models. Needs the extra `train`; nothing here is used at run time."""

from typing import Any

from salient.errors import Misconfigured


def pytorch() -> Any:
    """The module `torch`.

    Raises:
        Misconfigured: it is not installed.
    """
    try:
        import torch
    except ImportError as exc:
        raise Misconfigured(
            "training needs PyTorch: pip install 'salient[train]'", missing="torch"
        ) from exc
    return torch
