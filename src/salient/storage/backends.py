"""Finding the backend that a store's URL names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType

from salient.errors import Misconfigured


def find(store: str, schemes: Mapping[str, str], url: str) -> tuple[ModuleType, str]:
    """The module of `url`'s scheme, and the rest of the URL after its first colon.

    Args:
        store: what is being opened, in words, for the message.
        schemes: scheme -> dotted name of the module that holds `Driver`. Where a module serves
            several schemes, its `Driver` gets the rest only, and they mean the same.

    Raises:
        Misconfigured: no backend has that scheme, or its driver is not installed.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or scheme not in schemes:
        # The URL may hold a password: only its scheme is shown.
        raise Misconfigured(f"no {store} backend for {scheme[:40]!r}", known=sorted(schemes))
    try:
        module = importlib.import_module(schemes[scheme])
    except ImportError as exc:
        extra = schemes[scheme].rpartition(".")[2]
        raise Misconfigured(
            f"the {scheme} backend needs a library: pip install 'salient[{extra}]'", scheme=scheme
        ) from exc
    return module, rest
