"""Where records go, by URL.

stderr:                                 text or JSON lines, as the setting log.form says, or `?form=`
file:/var/log/salient.log               `?max_bytes=10000000&keep=5&form=json`; processes may share it
syslog://host:514 or syslog:/dev/log    RFC 5424 with a JSON message; `?protocol=tcp&facility=local0`
otlp://host:4318                        OpenTelemetry over HTTP; `?service=salient&tls=yes`
redis://host:6379/0                     a stream; `?stream=salient:log&max_length=100000`
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Literal
from urllib.parse import parse_qsl, unquote

import structlog
from structlog.contextvars import merge_contextvars

from salient.errors import Error, Misconfigured
from salient.log.background import Background
from salient.log.rotating import SharedFile

Form = Literal["text", "json"]


class Stderr(logging.StreamHandler):  # type: ignore[type-arg] # generic in its stubs only
    """Standard error, as it is when a record comes: a host may have replaced it since."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)


OURS = (Stderr, SharedFile, Background)


def open_all(urls: Sequence[str], form: Form) -> list[logging.Handler]:
    """Handlers for all the URLs, or none.

    Raises:
        Misconfigured: one of them is wrong.
    """
    opened: list[logging.Handler] = []
    try:
        for url in urls:
            opened.append(open_one(url, form))  # noqa: PERF401 # what was opened must be known
    except Error:
        for handler in opened:
            handler.close()
        raise
    return opened


def open_one(url: str, form: Form) -> logging.Handler:
    """A handler for one URL.

    Raises:
        Misconfigured: an unknown scheme or option, or its library is not installed.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or scheme not in _OPEN:
        raise Misconfigured(f"no log destination for {scheme[:40]!r}", known=sorted(_OPEN))
    place, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    try:
        handler = _OPEN[scheme](place, options, form)
    except (ValueError, OSError) as exc:
        raise Misconfigured(f"the log destination {scheme}: cannot be used: {exc}") from exc
    except ImportError as exc:
        raise Misconfigured(
            f"the log destination {scheme}: needs a library: pip install 'salient[{scheme}]'"
        ) from exc
    if options:
        handler.close()
        raise Misconfigured(f"{scheme}: has no option {', '.join(sorted(options))}")
    return handler


def _stderr(_: str, options: dict[str, str], form: Form) -> logging.Handler:
    handler = Stderr()
    handler.setFormatter(_lines(_form(options, form), colours=sys.stderr.isatty()))
    return handler


def _file(place: str, options: dict[str, str], form: Form) -> logging.Handler:
    if not place:
        raise ValueError("a file is given as file:/path")
    handler = SharedFile(
        unquote(place),
        max_bytes=int(options.pop("max_bytes", "10000000")),
        keep=int(options.pop("keep", "5")),
    )
    handler.setFormatter(_lines(_form(options, form), colours=False))
    return handler


def _syslog(place: str, options: dict[str, str], _: Form) -> logging.Handler:
    from salient.log.syslog import Syslog

    protocol, facility = options.pop("protocol", "udp"), options.pop("facility", "user")
    return Background(Syslog(place, protocol=protocol, facility=facility))


def _otlp(place: str, options: dict[str, str], _: Form) -> logging.Handler:
    from salient.log.otlp import Otlp

    tls = options.pop("tls", "no") == "yes"
    return Background(Otlp(place, tls=tls, service=options.pop("service", "salient")))


def _redis(place: str, options: dict[str, str], _: Form) -> logging.Handler:
    from salient.log.redis import RedisStream

    stream = options.pop("stream", "salient:log")
    return Background(RedisStream(place, stream, int(options.pop("max_length", "100000"))))


_OPEN: dict[str, Callable[[str, dict[str, str], Form], logging.Handler]] = {
    "stderr": _stderr,
    "file": _file,
    "syslog": _syslog,
    "otlp": _otlp,
    "redis": _redis,
}


def _form(options: dict[str, str], form: Form) -> Form:
    given = options.pop("form", form)
    if given not in ("text", "json"):
        raise ValueError(f"form is text or json, not {given!r}")
    return "json" if given == "json" else "text"


def _lines(form: Form, *, colours: bool) -> logging.Formatter:
    """One form for our records and others'."""
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=colours)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            render,
        ],
    )
