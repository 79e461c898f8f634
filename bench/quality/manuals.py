"""`python -m bench.quality.manuals`: whether the search finds the page of a long manual that answers a reader's question.

Three manuals (2,004 pages) are fetched as Debian packages and ingested into one collection. Each of 60 questions is asked with the
graph and without; found@N: the share with a hit on one of the answer's pages among the first N. `--collection NAME` asks a
collection that an earlier run has left with `--keep`, and ingests nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from bench import results
from bench.quality import manual_questions, platform
from bench.quality.api import SEARCH_MODES, Api, Row
from bench.quality.manual_questions import Manual, ManualQuestion

FIRST: Final = (1, 5, 8)
HITS: Final = max(FIRST)
COMPARED: Final = 5  # a question counts as lost or gained by the graph if it is found among so many hits in one mode only


@dataclass(frozen=True)
class Answer:
    """rank: of the first hit on one of the answer's pages, from 1; None if there is none."""

    manual: str
    question: str
    rank: int | None
    ms: float

    def is_found(self, first: int) -> bool:
        return self.rank is not None and self.rank <= first


def rank_of(question: ManualQuestion, document: str, hits: Sequence[Row]) -> int | None:
    """Return the rank of the first hit in that document on one of the question's pages."""
    matching = (rank for rank, hit in enumerate(hits, 1) if hit["name"] == document and question.pages & set(hit["pages"]))
    return next(matching, None)


def ask(api: Api, manuals: Sequence[Manual], collection: str, *, graph: bool) -> list[Answer]:
    answers = []
    for manual in manuals:
        for question in manual.questions:
            began = time.perf_counter()
            hits = api.search(question.text, collection, HITS, graph=graph)
            ms = 1000 * (time.perf_counter() - began)
            answers.append(Answer(manual.name, question.text, rank_of(question, manual.document, hits), ms))
    return answers


def figures(mode: str, answers: Sequence[Answer]) -> list[Row]:
    """Return a row for each manual and one for all."""
    names = [*dict.fromkeys(answer.manual for answer in answers)]
    parts = {name: [answer for answer in answers if answer.manual == name] for name in names} | {"all": list(answers)}
    return [
        {
            "mode": mode,
            "manual": name,
            "questions": len(part),
            **{f"found@{first}": round(sum(answer.is_found(first) for answer in part) / len(part), 4) for first in FIRST},
            "ms": round(median(answer.ms for answer in part), 1),
        }
        for name, part in parts.items()
    ]


def differences(before: Sequence[Answer], after: Sequence[Answer]) -> dict[str, list[str]]:
    """Return the questions found among the first hits in one mode only: lost and gained by the second."""
    pairs = list(zip(before, after, strict=True))
    return {
        "lost": [old.question for old, new in pairs if old.is_found(COMPARED) and not new.is_found(COMPARED)],
        "gained": [old.question for old, new in pairs if new.is_found(COMPARED) and not old.is_found(COMPARED)],
    }


def score(api: Api, manuals: Sequence[Manual], collection: str) -> dict[str, Any]:
    answers = {mode: ask(api, manuals, collection, graph=graph) for mode, graph in SEARCH_MODES.items()}
    return {
        "set": "manuals",
        "collection": collection,
        "modes": [row for mode, part in answers.items() for row in figures(mode, part)],
        "ranks": ranks(answers),
        **differences(answers["hybrid"], answers["graph"]),
    }


def ranks(answers: Mapping[str, Sequence[Answer]]) -> list[Row]:
    """Return each question with its rank in every mode."""
    rows = []
    for answer_by_mode in zip(*answers.values(), strict=True):
        rank_by_mode = {mode: answer.rank for mode, answer in zip(answers, answer_by_mode, strict=True)}
        rows.append({"question": answer_by_mode[0].question, **rank_by_mode})
    return rows


def main() -> None:
    every = manual_questions.read()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collection", help="ask this collection, which holds the manuals already")
    parser.add_argument("--manual", action="append", choices=[manual.name for manual in every], help="leave out the others")
    platform.add_arguments(parser)
    options = parser.parse_args()
    manuals = [manual for manual in every if not options.manual or manual.name in options.manual]
    try:
        contents = {} if options.collection else {manual.document: manual.fetch().read_bytes() for manual in manuals}
    except RuntimeError as error:
        parser.exit(1, f"{error}\n")
    with platform.opened(options) as api:
        if options.collection:
            scored = score(api, manuals, options.collection)
        else:
            with api.ingested("manuals", contents, keep=options.keep) as ingested:
                scored = {**ingested.facts(), **score(api, manuals, ingested.collection)}
    print(f"{sum(manual.pages for manual in manuals)} pages in collection {scored['collection']}")
    print(results.table(scored["modes"]))
    for change in ("lost", "gained"):
        for question in scored.get(change, ()):
            print(f"{change} with the graph: {question}")
    if options.json:
        print(json.dumps(scored))


if __name__ == "__main__":
    main()
