"""A cache outside the checkout for what tests download once: a server's packages, a model's weights.

Standard library only: .ci/run downloads before anything is installed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


class ServerUnavailable(Exception):
    """A real server cannot be had on this machine; the text is the reason."""


def cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aegis"


def cached(name: str, download: Callable[[Path], None]) -> Path:
    """Return the cache's directory of that name, filled by `download` if it does not exist yet.

    Sessions that ask at once wait for one download. The directory appears complete; an interrupted download leaves nothing there.
    """
    target = cache_directory() / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        partial = Path(tempfile.mkdtemp(prefix=f"{name}.partial-", dir=target.parent))
        try:
            download(partial)
            partial.chmod(0o755)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target
