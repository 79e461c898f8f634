"""The message broker that steps wait in, Redis or RabbitMQ: whether it answers, who takes from which queue, what still waits.

Asked through Celery's own remote control, so that an answer means a worker that works, not merely one that once registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from celery import Celery
from kombu import Queue
from kombu.exceptions import ChannelError, OperationalError

from aegis_assets.errors import StoreUnavailable

QUEUES: Final = ("run", "docling", "enrich", "gpu", "ollama")  # steps of no lane, then one per lane
BROKER: Final = "the broker"
SECONDS: Final = 5
REPLY_SECONDS: Final = 1.0


class Broker:
    """url: may hold a password, which no message of ours repeats."""

    def __init__(self, url: str) -> None:
        self._app = Celery(broker=url, set_as_current=False)
        self._app.conf.broker_transport_options = {"socket_connect_timeout": SECONDS, "socket_timeout": SECONDS}

    def check(self) -> None:
        """Raises StoreUnavailable."""
        with self._connection():
            pass

    def queues(self) -> dict[str, set[str]]:
        """Queue -> names of the workers that take from it, each `name@host`. Takes a second. Raises StoreUnavailable."""
        served: dict[str, set[str]] = {}
        with self._connection() as connection:
            inspect = self._app.control.inspect(timeout=REPLY_SECONDS, connection=connection)
            for worker, queues in (inspect.active_queues() or {}).items():
                for queue in queues:
                    served.setdefault(queue["name"], set()).add(worker)
        return served

    def waiting(self, queue: str) -> int:
        """Messages that no worker has taken. Raises StoreUnavailable."""
        with self._connection() as connection:
            try:
                return int(Queue(queue)(connection.default_channel).queue_declare(passive=True).message_count)
            except (ChannelError, *connection.channel_errors):  # never declared: nothing was ever sent there
                return 0

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        try:
            with self._app.connection_for_read() as connection:
                connection.ensure_connection(max_retries=1, timeout=SECONDS)
                yield connection
        except (OperationalError, OSError) as error:
            raise StoreUnavailable("The broker (AEGIS_CELERY_BROKER) does not answer.", server=BROKER) from error
