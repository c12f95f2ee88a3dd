"""URLs of stores: options after `?`, stores within stores in brackets, and what may be shown of them.

    sqlite:/path/kv.db?timeout_s=5
    layered:[memory:][redis://cache:6379/0]?ttl_s=300
    instrumented:[replicated:[file:/a][s3://bucket/b]?write=quorum]?slow_ms=200

A wrapper names the stores it is made of in brackets, outermost first, and then its own options. A
bracket within an inner URL is closed in it, or written as `%5B` and `%5D`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from salient.errors import Misconfigured

_PASSWORD = re.compile(r"(?<=//)([^/@\[\]?#]*?):([^/@\[\]?#]*)@")
_SECRET = re.compile(r"(?i)([?&][^=&\[\]]*(?:password|secret|token|key)[^=&\[\]]*=)[^&\[\]]+")


class Options:
    """The part of a URL after `?`, each option read once; `done` refuses the rest.

    Raises from any method: Misconfigured.
    """

    def __init__(self, query: str, what: str = "store") -> None:
        self._what = what
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        except ValueError as exc:
            raise Misconfigured(f"options of a {what} are name=value&name=value") from exc
        self._given = dict(pairs)

    def text(self, name: str, default: str | None = None) -> str | None:
        return self._given.pop(name, default)

    def number(self, name: str, default: float, *, least: float = 0.0) -> float:
        """A finite number of `least` or more."""
        given = self._given.pop(name, None)
        try:
            value = default if given is None else float(given)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= least):
            raise Misconfigured(f"{name} of a {self._what} is a number from {least:g}", given=given)
        return value

    def count(self, name: str, default: int, *, least: int = 0) -> int:
        """A whole number of `least` or more."""
        value = self.number(name, default, least=least)
        if value != int(value):
            raise Misconfigured(f"{name} of a {self._what} is a whole number", given=value)
        return int(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        return self.choice(name, ("no", "yes"), "yes" if default else "no") == "yes"

    def choice(self, name: str, among: Sequence[str], default: str) -> str:
        value = self._given.pop(name, default)
        if value not in among:
            raise Misconfigured(
                f"{name} of a {self._what} is one of {', '.join(among)}", given=value
            )
        return value

    def done(self) -> None:
        """Refuse options that nobody read: a misspelt one must not be passed over."""
        if self._given:
            raise Misconfigured(
                f"a {self._what} has no option {', '.join(sorted(self._given))}",
                unknown=sorted(self._given),
            )


def split(rest: str, what: str = "store") -> tuple[str, Options]:
    """What stands before `?`, and the options after it."""
    path, _, query = rest.partition("?")
    return path, Options(query, what)


def file(rest: str, what: str = "store") -> tuple[str, Options]:
    """The path of a file or folder, and the options after it.

    What would end a path (`?`, `[`, `]`, `%`) is written as `%3F` and so on; `quoted` does that.
    """
    path, options = split(rest, what)
    return unquote(path), options


def quoted(path: str) -> str:
    """A path as it stands in a URL."""
    return "".join(f"%{ord(c):02X}" if c in "%?[]" else c for c in path)


def inner(rest: str, what: str, *, least: int = 1, most: int = 64) -> tuple[list[str], Options]:
    """The stores a wrapper is made of, and its options: `[URL][URL]?name=value`.

    Raises:
        Misconfigured: brackets that do not close, or fewer or more stores than it takes.
    """
    found, at = [], 0
    while at < len(rest) and rest[at] == "[":
        depth, start = 0, at + 1
        while at < len(rest):
            depth += {"[": 1, "]": -1}.get(rest[at], 0)
            at += 1
            if depth == 0:
                break
        if depth:
            raise Misconfigured(f"a bracket of {what}: is not closed", given=shown(rest))
        found.append(rest[start : at - 1])
    tail = rest[at:]
    if (tail and not tail.startswith("?")) or not least <= len(found) <= most:
        wanted = str(least) if least == most else f"{least} or more"
        raise Misconfigured(
            f"{what}: takes {wanted} stores in brackets, as in {what}:[URL]?option=value",
            given=shown(rest),
        )
    return found, Options(tail[1:], what)


def location(rest: str) -> tuple[str, str]:
    """The place of a server that `//host:port/path` names, without credentials, for messages."""
    authority, _, path = rest.removeprefix("//").partition("?")[0].partition("/")
    return authority.rpartition("@")[2], unquote(path)


def shown(url: str) -> str:
    """The URL with passwords and secret options masked, for people and logs."""
    return _SECRET.sub(r"\1…", _PASSWORD.sub(r"\1:…@", url))


@dataclass(frozen=True, slots=True)
class Tree:
    """A store's URL taken apart: the outermost store, masked, and what it is made of."""

    label: str
    inner: tuple[Tree, ...]

    def lines(self, indent: str = "") -> list[str]:
        """The tree as text, a store a line."""
        out = [indent + self.label]
        for one in self.inner:
            out += one.lines(indent + "  ")
        return out


def tree(url: str) -> Tree:
    """Take a URL apart.

    Raises:
        Misconfigured: brackets that do not close.
    """
    scheme, _, rest = url.partition(":")
    if not rest.startswith("["):
        return Tree(shown(url), ())
    urls, _ = inner(rest, scheme)
    # Secrets are known by the `?` and `&` before them: masked first, spread out then.
    tail = shown(rest[sum(len(u) + 2 for u in urls) :]).replace("?", " ", 1).replace("&", " ")
    return Tree(shown(scheme) + tail, tuple(tree(u) for u in urls))


def from_table(given: str | Mapping[str, Any]) -> str:
    """A store as settings have it, as a URL: `{use = "layered", over = ["memory:", …], ttl_s = 5}`.

    Raises:
        Misconfigured: no `use`, `over` that is no list of stores, or an option that is no plain value.
    """
    if isinstance(given, str):
        return given
    options = dict(given)
    use, over = options.pop("use", None), options.pop("over", None)
    if isinstance(over, str | Mapping):
        over = [over]
    if not isinstance(use, str) or not isinstance(over, list) or not over:
        raise Misconfigured("a store is a URL, or a table with `use`, and `over` as its stores")
    if not all(isinstance(v, str | int | float) for v in options.values()):
        raise Misconfigured(f"an option of {use} is text, a number or true or false")
    plain = {k: ("no", "yes")[v] if isinstance(v, bool) else str(v) for k, v in options.items()}
    query = "&".join(f"{quote(k, safe='')}={quote(v, safe='{}/:,')}" for k, v in plain.items())
    return f"{use}:" + "".join(f"[{from_table(u)}]" for u in over) + ("?" + query if query else "")
