"""Whether a part of the stack serves yet: asked in its own words, with the standard library alone."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import struct
from datetime import UTC, datetime

TIMEOUT_S = 2.0
BUCKET = "salient"

_ALGORITHM = "AWS4-HMAC-SHA256"
_REGION = "us-east-1"


def answers(check: str, port: int) -> str:
    """Ask what listens on `port` of this machine; return an empty text, or what is wrong.

    Args:
        check: `http:PATH` is well with an answer below 400; `redis:PASSWORD`; `postgresql:`;
            `s3:KEY:SECRET` (which makes the bucket if it is not there); `tcp:` is well with a connection.
    """
    kind, _, rest = check.partition(":")
    try:
        return {"http": _http, "redis": _redis, "postgresql": _postgresql, "s3": _s3, "tcp": _tcp}[
            kind
        ](port, rest)
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port} ({error})"


def _tcp(port: int, _: str) -> str:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S):
        return ""


def _http(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        said = answer.read(2000).decode("utf-8", "replace")
    finally:
        connection.close()
    return "" if answer.status < 400 else f"{path} answers {answer.status}: {said.strip()}"


def _redis(port: int, password: str) -> str:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as one:
        one.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        said = b""
        while said.count(b"\r\n") < 2:
            piece = one.recv(1000)
            if not piece:
                break
            said += piece
    lines = said.decode("utf-8", "replace").split("\r\n")
    return "" if lines[:2] == ["+OK", "+PONG"] else f"says {' '.join(lines).strip()}"


def _postgresql(port: int, _: str) -> str:
    """It is asked to log in: while it starts it says that it cannot, later it wants a password."""
    parameters = b"user\0salient\0database\0postgres\0\0"
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as one:
        one.sendall(struct.pack("!ii", 8 + len(parameters), 3 << 16) + parameters)
        said = one.recv(1000)
    return "" if said[:1] == b"R" else f"says {said[5:200].decode('utf-8', 'replace')}"


def _s3(port: int, keys: str) -> str:
    key, _, secret = keys.partition(":")
    host = f"127.0.0.1:{port}"
    headers = signed("PUT", f"/{BUCKET}", host, key, secret, datetime.now(UTC))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("PUT", f"/{BUCKET}", headers=headers)
        answer = connection.getresponse()
        said = answer.read(2000).decode("utf-8", "replace")
    finally:
        connection.close()
    # 409: it is there already, and ours.
    return "" if answer.status in (200, 409) else f"answers {answer.status}: {said.strip()}"


def signed(
    method: str, path: str, host: str, key: str, secret: str, moment: datetime
) -> dict[str, str]:
    """Headers that sign a request without a body.

    Source: AWS, "Signature Version 4 signing process", as for S3, with the body's digest left out.
    """
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{_REGION}/s3/aws4_request"
    headers = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": stamp}
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    names = ";".join(headers)
    request = f"{method}\n{path}\n\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    own = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        own = hmac.digest(own, part.encode(), "sha256")
    signature = hmac.digest(own, to_sign.encode(), "sha256").hex()
    given = f"{_ALGORITHM} Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**{n: v for n, v in headers.items() if n != "host"}, "Authorization": given}
