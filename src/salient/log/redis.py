"""Records to a stream of a Redis or Valkey server, newest last, cut at a length."""

from __future__ import annotations

import json
from collections.abc import Sequence

import redis

from salient.errors import Unavailable
from salient.log.background import Payload, Sender

_TIMEOUT_S = 5.0


class RedisStream(Sender[Payload]):
    """`//host:port/db`. Each entry has one field, `record`, with the JSON of it.

    Raises:
        ValueError: the address cannot be read, or a length under 1.
    """

    def __init__(self, place: str, stream: str, max_length: int) -> None:
        if max_length < 1:
            raise ValueError("max_length is 1 or more")
        self._stream, self._max_length = stream, max_length
        self._client = redis.Redis.from_url(
            f"redis:{place}", socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        )

    def send(self, records: Sequence[Payload]) -> None:
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for record in records:
                    row = json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace")
                    pipe.xadd(
                        self._stream, {"record": row}, maxlen=self._max_length, approximate=True
                    )
                pipe.execute()
        except redis.RedisError as exc:
            raise Unavailable(f"the log's Redis server is away: {exc}") from exc

    def close(self) -> None:
        self._client.close()
