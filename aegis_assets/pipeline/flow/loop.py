"""One event loop per process, on which all ops wait for engines.

So a process has one connection for its leases and one pool of connections to the engine server, whatever the number of its steps,
a document's limit on chunks in flight holds over all its windows, and a run that is stopped can stop all that it waits for.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final, TypeVar

from aegis_assets.errors import Superseded

T = TypeVar("T")

CALLS: Final = 64  # that block, at once; nearly all of them wait

_waiting: set[Future[Any]] = set()
_ahead: dict[tuple[str, ...], Future[Any]] = {}
_begins = threading.Lock()  # work that has begun can be stopped: it is not begun and unknown at any moment


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, from any thread but the loop's own. Raises what it raises, and Superseded after `stop_all`."""
    return _end(_begun(work))


def ahead(key: tuple[str, ...], work: Coroutine[Any, Any, Any], most: int) -> None:
    """Begin what a step to come will `take`, unless that many have begun already: what is ahead takes memory."""
    if sum(not future.done() for future in list(_ahead.values())) < most:
        _ahead[key] = _begun(work)
    else:
        work.close()


def take(key: tuple[str, ...], work: Coroutine[Any, Any, None]) -> None:
    """As `wait_for`; of what has begun ahead only the rest is waited for."""
    future = _ahead.pop(key, None)
    if future is None:
        wait_for(work)
    else:
        work.close()
        _end(future)


def _begun(work: Coroutine[Any, Any, T]) -> Future[T]:
    with _begins:
        future = asyncio.run_coroutine_threadsafe(work, _of_process(os.getpid()))
        _waiting.add(future)
    return future


def _end(future: Future[T]) -> T:
    try:
        return future.result()
    except CancelledError as error:
        raise Superseded("The run is being stopped.") from error
    except BaseException:
        future.cancel()
        raise
    finally:
        _waiting.discard(future)


def stop_all() -> None:
    """Cancel what the process waits for: requests are closed, which stops the work on the other side."""
    with _begins:
        waiting = list(_waiting)
    for future in waiting:
        future.cancel()


@lru_cache(maxsize=2)
def _of_process(pid: int) -> asyncio.AbstractEventLoop:
    """pid: a forked child makes its own."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(CALLS, thread_name_prefix="ops"))
    threading.Thread(target=loop.run_forever, name="ops", daemon=True).start()
    return loop
