"""`python -m bench.quality.retrieval PATH`: how well the search finds the passages that answer a question.

PATH is a directory with passages.json (`[{"title", "text"}]`) and questions.json (`[{"question", "gold": [title], "multi_hop"}]`),
or a file of XQuAD's form (`{"paragraphs": [text], "questions": [{"question", "gold": number of the paragraph}]}`), of which every
third question is asked. Each passage is a document. A question is asked for 40 hits, and its ranking is their distinct documents.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, Final

from bench.quality import platform
from bench.quality.api import SEARCH_MODES, Api
from bench.quality.ranking import distinct, has_all, ndcg, recall

HITS: Final = 40
FIRST: Final = 8  # distinct documents among which all evidence is looked for
EVERY: Final = 3  # of XQuAD's questions


@dataclass(frozen=True)
class Question:
    """gold: the names of the documents that hold the answer together."""

    text: str
    gold: frozenset[str]
    multi_hop: bool = False


@dataclass(frozen=True)
class Answer:
    """ranking: names of distinct documents, best first."""

    question: Question
    ranking: Sequence[str]
    ms: float


@dataclass(frozen=True)
class QuestionSet:
    """documents: Markdown by file name."""

    name: str
    documents: dict[str, str]
    questions: Sequence[Question]


def read(path: Path) -> QuestionSet:
    return _read_passages(path) if path.is_dir() else _read_paragraphs(path)


def _read_passages(path: Path) -> QuestionSet:
    passages = json.loads((path / "passages.json").read_text())
    names = {passage["title"]: f"{number:04d}.md" for number, passage in enumerate(passages)}
    documents = {names[passage["title"]]: f"# {passage['title']}\n\n{passage['text']}\n" for passage in passages}
    questions = [
        Question(row["question"], frozenset(names[title] for title in row["gold"]), bool(row.get("multi_hop")))
        for row in json.loads((path / "questions.json").read_text())
    ]
    return QuestionSet(path.name, documents, questions)


def _read_paragraphs(path: Path) -> QuestionSet:
    content = json.loads(path.read_text())
    documents = {f"{number:04d}.md": f"{text}\n" for number, text in enumerate(content["paragraphs"])}
    questions = [Question(row["question"], frozenset({f"{row['gold']:04d}.md"})) for row in content["questions"][::EVERY]]
    return QuestionSet(f"{path.parent.name}-{path.stem}", documents, questions)


def score(api: Api, asked: QuestionSet, *, keep: bool = False) -> dict[str, Any]:
    """Ingest the documents, ask every question in every mode, and return the figures."""
    with api.ingested(asked.name, asked.documents, keep=keep) as ingested:
        names = {document: name for name, document in ingested.documents.items()}
        rows = [
            {"mode": mode, **figures([ask(api, question, ingested.collection, names, graph=graph) for question in asked.questions])}
            for mode, graph in SEARCH_MODES.items()
        ]
        return {"set": asked.name, **ingested.facts(), "modes": rows}


def ask(api: Api, question: Question, collection: str, names: dict[str, str], *, graph: bool) -> Answer:
    began = time.perf_counter()
    hits = api.search(question.text, collection, HITS, graph=graph)
    ms = 1000 * (time.perf_counter() - began)
    return Answer(question, distinct(names[hit["document"]] for hit in hits), ms)


def figures(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return means over the questions. all: all evidence among the first eight documents; the same of multi-hop questions alone."""
    single = {f"recall@{first}": _mean(recall(one.ranking, one.question.gold, first) for one in answers) for first in (2, 5, 8)}
    hops = [answer for answer in answers if answer.question.multi_hop]
    return {
        "questions": len(answers),
        **single,
        "all": _mean(has_all(answer.ranking, answer.question.gold, FIRST) for answer in answers),
        **({"all_multi_hop": _mean(has_all(answer.ranking, answer.question.gold, FIRST) for answer in hops)} if hops else {}),
        "ndcg@10": _mean(ndcg(answer.ranking, answer.question.gold, 10) for answer in answers),
        "ms": round(median(answer.ms for answer in answers), 1),
    }


def _mean(values: Iterable[float]) -> float:
    return round(fmean(values), 4)


def main() -> None:
    platform.run_scorer(
        __doc__, lambda api, options: score(api, read(options.path), keep=options.keep), lambda scored: scored["modes"]
    )


if __name__ == "__main__":
    main()
