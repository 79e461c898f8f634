"""`make bench-steady`: 3,000 one-page Markdown files dropped at once into one collection, on the embedded engines.

Documents per second over the first 500 that ended and over the last 500. Documents of a run end together, so each share is counted
from a moment at which some ended to another such moment.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench import results
from bench.bulk import drop, expect, page, settled
from bench.corpus import Corpus
from bench.harness import Stack, running

FILES: Final = 3000
SHARE: Final = 500
BAR: Final = 0.9
SETTLE_SECONDS: Final = 7200.0
ENDS: Final = """
SELECT extract(epoch FROM r.finished_at)::float AS finished
FROM aegis_document d JOIN aegis_run_document r ON r.document_id = d.id AND r.run_id = d.run_id ORDER BY r.finished_at"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--share", type=int, default=SHARE, help="documents of the first and of the last share")
    options = parser.parse_args()
    if not 0 < options.share < options.files:
        parser.error("--share is at least 1 and less than --files")
    with tempfile.TemporaryDirectory() as folder, running() as stack:
        write(Path(folder), options.files)
        figures = measured(stack, Path(folder), options.files, options.share)
    print(results.table(figures["shares"]))
    print(f"last / first: {figures['ratio']:.3f} (bar {BAR}); {figures['states']}")
    if (options.files, options.share) == (FILES, SHARE):
        print(results.write("steady", {**figures, "bar": BAR}))
    return int(figures["ratio"] < BAR)


def write(folder: Path, files: int) -> None:
    corpus = Corpus(13)
    for number in range(files):
        (folder / f"note-{number:05d}.md").write_text(page(corpus, f"Note {number}"))


def measured(stack: Stack, folder: Path, files: int, share: int) -> dict[str, Any]:
    watch = stack.watch()
    began = drop(folder, stack.home / "inbox")
    expect(stack, files)
    states = settled(stack, SETTLE_SECONDS)
    usage = watch.stop()
    ends = [row["finished"] for row in stack.rows(ENDS)]
    return {
        "files": files,
        "share": share,
        "seconds": ends[-1] - began,
        "states": states,
        **shares(ends, share),
        "usage": usage.as_json(),
    }


def shares(ends: Sequence[float], share: int) -> dict[str, Any]:
    """Compare the first share with the last. ends: when each document ended, in order."""
    first, last, whole = (rate(ends, begin, end) for begin, end in ((0, share), (-share - 1, -1), (0, -1)))
    rows = [("first", share, first), ("last", share, last), ("all", len(ends), whole)]
    return {
        "shares": [{"share": name, "documents": count, "documents_per_s": found} for name, count, found in rows],
        "ratio": last / first,
    }


def rate(ends: Sequence[float], first: int, last: int) -> float:
    """Return documents per second from the end of one, by number, to that of another. Raise ValueError if both are the same."""
    begin, end = ends[first], ends[last]
    if begin == end:
        raise ValueError("these documents ended together: take a larger share")
    return sum(begin < one <= end for one in ends) / (end - begin)


if __name__ == "__main__":
    raise SystemExit(main())
