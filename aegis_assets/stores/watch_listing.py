"""A listing of a watched bucket, or of a part of it: what can be ingested now, and what its absence means.

The questionable decision: a listing says by `complete` whether absence means deletion. It is False as soon as anything could not be
seen or is still being written, because taking a half-seen bucket for a deletion would remove documents.
"""

from __future__ import annotations

import hashlib
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable

from pydantic import ConfigDict

from aegis_assets.errors import BadInput
from aegis_assets.logs import logger
from aegis_assets.model.parsing import Frozen
from aegis_assets.model.watched import SeenObject
from aegis_assets.stores.bucket import checked

log = logger(__name__)

# What programs call a file that they are still writing or that is not meant to be read: downloads, editors, offices, systems.
UNFINISHED_SUFFIXES = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".swp", ".filepart", ".lock", "~")
UNFINISHED_PREFIXES = (".", "~$")
SYSTEM_NAMES = frozenset({"thumbs.db", "desktop.ini"})


class KeySet:
    """Keys by 8 bytes of each: a million take 8 MB. Two that share them are one in 10^13; then a deletion is not noticed."""

    def __init__(self) -> None:
        self._digests = array("Q")
        self._sorted = True

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, key: object) -> bool:
        if not self._sorted:
            self._digests, self._sorted = array("Q", sorted(self._digests)), True
        digest = _digest(str(key))
        place = bisect_left(self._digests, digest)
        return place < len(self._digests) and self._digests[place] == digest

    def add(self, key: str) -> None:
        self._digests.append(_digest(key))
        self._sorted = False


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest())


class Listing(Frozen):
    """objects: sorted by key; the etag is S3's, or size and time of a file. pending: keys left alone for now, still being written.

    complete: every object was seen whole, so a known key that is not listed is gone. gone: keys that are known to be gone, whatever
    else was seen. seen: with the last of several parts, all keys of them; a known key that is not there is gone. problems: what a
    person should look at.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    objects: tuple[SeenObject, ...] = ()
    pending: frozenset[str] = frozenset()
    complete: bool = True
    gone: tuple[str, ...] = ()
    seen: KeySet | None = None
    problems: tuple[str, ...] = ()


class Found:
    """A listing in the making. clock: seconds since the epoch."""

    def __init__(self, settle_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self.objects: list[SeenObject] = []
        self.pending: set[str] = set()
        self.problems: list[str] = []
        self.blind = False  # a part of the bucket was not seen
        self._clock = clock
        self._settle_seconds = settle_seconds

    def add(self, key: str, etag: str, size: int, *changes: float) -> None:
        """Add the object, as pending if one of its changes is young.

        Trade-off: a file server's clock may be ahead by a little, so a stamp up to `settle_seconds` from now is young too and
        settles once it is past. One further in the future (a wrong clock, a crafted archive) says nothing: it would never settle.
        The clock is read here and not once per listing: what was written during a long scan would be in its future.
        """
        try:
            checked(key)
        except BadInput:
            self.problem("Objects whose names are no valid keys are left out.")  # never a known key: nothing is missed
            return
        now = self._clock()
        if any(abs(now - change) < self._settle_seconds for change in changes):
            self.pending.add(key)
        else:
            self.objects.append(SeenObject(key=key, etag=etag, size=size))

    def problem(self, sentence: str, *, blind: bool = False) -> None:
        self.blind = self.blind or blind
        if sentence not in self.problems:
            self.problems.append(sentence)

    def listing(self, gone: tuple[str, ...] = (), *, whole: bool = True) -> Listing:
        """whole: everything was looked at."""
        if self.problems:
            log.warning("watch_incomplete", problems=self.problems)
        return Listing(
            objects=tuple(sorted(self.objects, key=lambda one: one.key)),
            pending=frozenset(self.pending),
            complete=whole and not self.blind and not self.pending,
            gone=gone,
            problems=tuple(self.problems),
        )


def unfinished(name: str) -> bool:
    """Return whether the name says that a file is hidden, temporary or the system's."""
    lowered = name.lower()
    return lowered.startswith(UNFINISHED_PREFIXES) or lowered.endswith(UNFINISHED_SUFFIXES) or lowered in SYSTEM_NAMES
