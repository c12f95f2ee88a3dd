"""Records to a syslog server: RFC 5424 headers, the record as JSON in the message."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from logging.handlers import SysLogHandler

from salient.errors import Unavailable
from salient.log.background import Payload, Sender

_SEVERITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_TIMEOUT_S = 5.0
_DATAGRAM_BYTES = 60_000  # what UDP carries; RFC 5426 asks for less, servers take this


class Syslog(Sender[Payload]):
    """`//host:port` by UDP or TCP (octet counting, RFC 6587), or the path of a local socket.

    Raises:
        ValueError: an unknown protocol or facility, or no place.
    """

    def __init__(self, place: str, *, protocol: str, facility: str) -> None:
        if protocol not in ("udp", "tcp"):
            raise ValueError("protocol is udp or tcp")
        if facility not in SysLogHandler.facility_names:
            raise ValueError(f"no facility is called {facility!r}")
        self._facility = SysLogHandler.facility_names[facility]
        self._stream = protocol == "tcp"
        self._address: str | tuple[str, int] = place
        if place.startswith("//"):
            host, _, port = place[2:].partition("/")[0].rpartition(":")
            self._address = (host.strip("[]"), int(port)) if host else (port.strip("[]"), 514)
        if not self._address or not self._address[0]:
            raise ValueError("a syslog server is given as syslog://host:514 or syslog:/dev/log")
        self._socket: socket.socket | None = None
        self._host = socket.gethostname() or "-"

    def send(self, records: Sequence[Payload]) -> None:
        try:
            if self._socket is None:
                self._socket = self._connected()
            for record in records:
                message = self._message(record)
                if self._stream and not isinstance(self._address, str):
                    message = b"%d %s" % (len(message), message)
                    self._socket.sendall(message)
                else:
                    self._socket.send(message[:_DATAGRAM_BYTES])
        except OSError as exc:
            self.close()
            raise Unavailable(f"the syslog server {self._address} is away: {exc}") from exc

    def forked(self) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if isinstance(self._address, str):
            local = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                local.connect(self._address)
            except OSError:
                local.close()
                raise
            return local
        if self._stream:
            return socket.create_connection(self._address, _TIMEOUT_S)
        family, kind, _, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
        datagrams = socket.socket(family, kind)
        datagrams.connect(address)
        return datagrams

    def _message(self, record: Payload) -> bytes:
        priority = self._facility * 8 + _SEVERITY.get(record["level"], 5)
        moment = datetime.fromtimestamp(record["timestamp"], UTC).isoformat(timespec="milliseconds")
        header = f"<{priority}>1 {moment} {self._host} salient {os.getpid()} - - "
        return (header + json.dumps(record, ensure_ascii=False)).encode("utf-8", "backslashreplace")
