"""Messages over Celery, on Redis or RabbitMQ.

Celery carries names of blobs, in JSON, and nothing else: it neither keeps results nor decides what is
done again (`salient.work.queued` does both). So its own promises may be the cheap ones.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, final

import celery
import msgspec
from kombu.entity import Queue
from kombu.exceptions import OperationalError

from salient.errors import Misconfigured, Unavailable
from salient.storage import urls
from salient.work import MAIN, OCR, Place, Pool, WorkConfig
from salient.work.notes import Message
from salient.work.queued import Queued, Transport

TASK: Final = "salient.batch"

_BROKERS = ("redis", "rediss", "valkey", "amqp", "amqps")
_LEVELS = 10  # of priority
_URGENT, _BULK = 9, 3  # as RabbitMQ counts: higher first
_REDIS_HIDES_S = 12 * 3600  # how long Redis waits for a worker's word before it sends again itself
_CONNECT_S = 5.0


def application(broker: str, config: WorkConfig) -> celery.Celery:
    """The Celery application of a broker's URL, without tasks.

    Raises:
        Misconfigured: the broker is of no kind that is known.
    """
    scheme, colon, rest = broker.partition(":")
    if not colon or scheme not in _BROKERS or not rest.startswith("//"):
        raise Misconfigured(
            f"celery:{urls.shown(broker)} names no broker: celery:redis://HOST:6379/0 or celery:amqp://USER:PASSWORD@HOST:5672/"
        )
    redis = not scheme.startswith("amqp")
    made = celery.Celery("salient", set_as_current=False, broker=broker.replace("valkey", "redis", 1) if scheme == "valkey" else broker)  # fmt: skip
    options: dict[str, Any] = {"max_retries": 2, "interval_start": 0.2, "interval_step": 0.5}
    if redis:
        options |= {
            "visibility_timeout": _REDIS_HIDES_S,
            "socket_connect_timeout": _CONNECT_S,
            "socket_timeout": 30.0,
            "socket_keepalive": True,
            "health_check_interval": 15,
            # Redis has lists, not priorities: one list a level, asked in this order.
            "queue_order_strategy": "priority",
            "priority_steps": list(range(_LEVELS)),
            "sep": ":",
            "global_keyprefix": "salient:",
        }
    else:
        options |= {"confirm_publish": True, "connect_timeout": _CONNECT_S}
    made.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=True,
        task_reject_on_worker_lost=False,  # its coordinator finds out who killed it, and sends again
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_disable_rate_limits=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=_CONNECT_S,
        broker_heartbeat=10,
        broker_transport_options=options,
        task_queues=[
            Queue(name, routing_key=name, **({} if redis else {"max_priority": _LEVELS - 1}))
            for name in (MAIN, OCR)
        ],
        task_default_queue=MAIN,
        task_default_exchange="salient",
        task_default_routing_key=MAIN,
        task_publish_retry=False,
        # The last resort against what no thread of a worker can end: a loop that never lets go.
        task_time_limit=int(2 * config.hang_s + 20 * config.batch_s),
    )
    return made


@final
class CeleryTransport(Transport):
    """Sends over one connection, which comes back by itself; threads take turns."""

    def __init__(self, broker: str, config: WorkConfig) -> None:
        self._redis = not broker.startswith("amqp")
        self._app = application(broker, config)
        self._shown = urls.shown(broker)
        self._lock = threading.Lock()
        self._connection: Any = None
        self._producer: Any = None

    def send(self, message: Message, queue: str, *, urgent: bool) -> None:
        level = _URGENT if urgent else _BULK
        with self._connected():
            self._app.send_task(
                TASK,
                (msgspec.to_builtins(message),),
                producer=self._producer,
                queue=queue,
                priority=_LEVELS - 1 - level if self._redis else level,
                ignore_result=True,
                retry=False,
            )

    def depth(self, queue: str) -> int:
        with self._connected():
            bound = self._app.amqp.queues[queue](self._producer.channel)
            return int(bound.queue_declare().message_count)

    def close(self) -> None:
        with self._lock:
            self._disconnect()
            self._app.close()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """The lock, held, and a connection.

        Raises:
            Unavailable: the broker is away; the next call connects anew.
        """
        with self._lock:
            try:
                if self._connection is None:
                    self._connect()
                yield
            except self._lost() as exc:
                self._disconnect()
                raise Unavailable(
                    f"the broker {self._shown} does not answer: {type(exc).__name__}: {exc}"
                ) from exc

    def _connect(self) -> None:
        self._connection = self._app.connection_for_write()
        self._connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=_CONNECT_S)
        self._producer = self._app.amqp.Producer(self._connection)
        for queue in self._app.amqp.queues.values():
            queue(self._producer.channel).declare()

    def _lost(self) -> tuple[type[Exception], ...]:
        base = (OperationalError, OSError)
        if self._connection is None:
            return base
        return (*base, *self._connection.connection_errors, *self._connection.channel_errors)

    def _disconnect(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            errors = (OSError, *connection.connection_errors, *connection.channel_errors)
            with contextlib.suppress(*errors):
                connection.release()


def open_pool(rest: str, place: Place, config: WorkConfig) -> Pool:
    """`celery:BROKER`, a URL of Redis or RabbitMQ."""
    return Queued(CeleryTransport(rest, config), place, config)


def task(app: celery.Celery, handle: Callable[[Message], object]) -> None:
    """Register what a worker does with a message."""

    @app.task(name=TASK, shared=False)  # type: ignore[untyped-decorator] # Celery has no types
    def batch(message: dict[str, Any]) -> None:
        handle(msgspec.convert(message, Message))
