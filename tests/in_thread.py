"""An ASGI application behind a real HTTP server, in a thread of the test's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

START_SECONDS = 60.0
END_SECONDS = 10.0


@contextmanager
def in_thread(application: Any, *, force: bool = False, **config: Any) -> Iterator[int]:
    """Its port on 127.0.0.1, which the system picks unless `port` says one. config: uvicorn's. force: end without waiting for
    requests under way. Raises RuntimeError where it does not start; the test fails where it does not end."""
    chosen = {"port": 0, "lifespan": "off", "log_level": "error", **config}
    running = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", **chosen))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not running.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.01)
    try:
        yield int(running.servers[0].sockets[0].getsockname()[1])
    finally:
        running.should_exit, running.force_exit = True, force
        thread.join(END_SECONDS)
        assert not thread.is_alive(), "open requests keep the server from ending"
