"""Where a database server is, taken from `//user:password@host:port/database?option=value`."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from salient.errors import Misconfigured
from salient.storage import urls


@dataclass(frozen=True, slots=True)
class Address:
    """A database on a server, and who asks for it."""

    host: str
    port: int
    database: str
    user: str | None
    password: str | None = field(repr=False)

    @property
    def place(self) -> str:
        """Host, port and database, without credentials, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}/{self.database}"


def parse(rest: str, *, what: str, port: int) -> tuple[Address, urls.Options]:
    """The address and the options in what follows a URL's scheme.

    Args:
        what: the scheme, for messages.
        port: where none is given.

    Raises:
        Misconfigured: no database is named, or it is no URL.
    """
    place, options = urls.split(rest, f"{what} database")
    wrong = Misconfigured(
        f"a database is given as {what}://user:password@host:{port}/name", given=urls.shown(rest)
    )
    try:
        given = urlsplit(f"x:{place}")
        found = Address(
            host=given.hostname or "localhost",
            port=given.port or port,
            database=unquote(given.path.removeprefix("/")),
            user=None if given.username is None else unquote(given.username),
            password=None if given.password is None else unquote(given.password),
        )
    except ValueError as exc:
        raise wrong from exc
    if not place.startswith("//") or not found.database or "/" in found.database:
        raise wrong
    return found, options
