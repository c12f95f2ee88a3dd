"""Finding the backend that a store's URL names."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import ModuleType
from typing import Protocol, TypeVar

from salient.errors import Misconfigured


class _Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closable)


def all_or_none(open_one: Callable[[str], C], urls: Iterable[str]) -> tuple[C, ...]:
    """Open all of these; if one fails, those before it are closed."""
    with ExitStack() as opened:
        found = []
        for url in urls:
            found.append(open_one(url))
            opened.callback(found[-1].close)
        opened.pop_all()
    return tuple(found)


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
