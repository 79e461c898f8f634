"""What needs the heavy clients of stores (numpy, Qdrant, Bolt), done beside the web process: in one child, kept while it is used.

The child is spawned: it inherits no socket. It belongs to a thread of its own here, because the kernel's signal at a parent's end
comes when the thread that started the child ends, and a request's thread ends with the request.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final, ParamSpec, TypeVar

from aegis_assets.engines.sandbox import die_with_parent
from aegis_assets.errors import StoreUnavailable, public
from aegis_assets.logs import configure
from aegis_assets.settings import settings

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

IDLE_SECONDS: Final = 60.0
MOST_SECONDS: Final = 150.0  # more than a local store waits for its lock, so that its own sentence is shown
THREADS: Final = 16
TWICE: Final = "The process that asks the stores ended unexpectedly or did not answer. Try again; the log has the details."


class _Gone(Exception):
    """The child ended before it answered."""


class _Child:
    """One child and the thread that it belongs to."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._pending: dict[int, Future[Any]] = {}
        self._count, self._used, self._over = 0, time.monotonic(), False
        self._pipe, far = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=_serve, args=(far,), name="aside", daemon=True)
        self._far = far
        threading.Thread(target=self._keep, name="aside", daemon=True).start()

    def ask(self, work: Callable[[], T]) -> T:
        """Raises _Gone, and what `work` raised."""
        with self._guard:
            if self._over:
                raise _Gone
            answer: Future[T] = Future()
            self._count += 1
            self._pending[self._count] = answer
            try:
                self._pipe.send((self._count, work))
            except OSError as error:
                self._pending.pop(self._count)
                raise _Gone from error
        try:
            return answer.result(MOST_SECONDS)
        except TimeoutError as error:
            self._process.kill()
            raise StoreUnavailable(TWICE) from error

    def _keep(self) -> None:
        try:
            self._process.start()
            self._far.close()
            while not self._idle():
                if self._pipe.poll(1.0):
                    number, done, error = self._pipe.recv()
                    with self._guard:
                        answer, self._used = self._pending.pop(number), time.monotonic()
                    if error is None:
                        answer.set_result(done)
                    else:
                        answer.set_exception(error)
        except (EOFError, OSError):
            pass
        finally:
            with self._guard:
                self._over = True
            for left in self._pending.values():
                left.set_exception(_Gone())
            if self._process.pid is not None:
                self._process.kill()
                self._process.join()
            self._pipe.close()

    def _idle(self) -> bool:
        with self._guard:
            self._over = not self._pending and time.monotonic() - self._used > IDLE_SECONDS
            return self._over

    @property
    def over(self) -> bool:
        return self._over


class Aside:
    """Off until the web process turns it on: a command ends soon, and asks the stores itself."""

    def __init__(self) -> None:
        self.on = False
        self._guard = threading.Lock()
        self._child: _Child | None = None

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """work: a function of a module; what it takes and gives is pickled. Raises what it raises, and StoreUnavailable."""
        if not self.on:
            return work(*args, **kwargs)
        for _ in range(2):
            with suppress(_Gone):
                return self._living().ask(partial(work, *args, **kwargs))
        raise StoreUnavailable(TWICE)

    def _living(self) -> _Child:
        with self._guard:
            if self._child is None or self._child.over:
                self._child = _Child()
            return self._child


aside: Final = Aside()


def _serve(pipe: Connection) -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both; the parent decides
    configure(settings().log_level)
    guard = threading.Lock()

    def do(number: int, work: Callable[[], Any]) -> None:
        done, failed = None, None
        try:
            done = work()
        except Exception as error:
            failed = public(error)
            if failed is not error:
                log.exception("asking a store failed")
        with guard:
            pipe.send((number, done, failed))

    with ThreadPoolExecutor(THREADS) as pool, suppress(EOFError, OSError):
        while True:
            pool.submit(do, *pipe.recv())
