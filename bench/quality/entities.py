"""`python -m bench.quality.entities FILE`: how many annotated entities are found, with the right type, and in how many pieces.

FILE has the form of DocRED and Re-DocRED. Each article is a document. Names are compared in lower case, words only, without a
leading "the". Dates, times and numbers are left out on both sides.

found: gold entities of which one name is a name of one of ours in that document
type: found persons, organisations and locations of which one of ours has the type
precision: ours with a name in the gold
fragmentation: ours per found gold entity
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.quality import annotated, platform
from bench.quality.api import Api


def score(api: Api, path: Path, *, keep: bool = False) -> dict[str, Any]:
    """Ingest the articles and return the figures."""
    articles = annotated.read(path)
    texts = {f"{number:04d}.md": article.markdown for number, article in enumerate(articles)}
    with api.ingested(path.stem, texts, keep=keep) as ingested:
        total = annotated.Counts()
        for name, article in zip(texts, articles, strict=True):
            total.add(annotated.count(article.gold, api.entities(ingested.documents[name])))
        return {"set": path.stem, **ingested.facts(), **annotated.figures(total)}


def main() -> None:
    platform.run_scorer(__doc__, lambda api, options: score(api, options.path, keep=options.keep), lambda scored: [scored])


if __name__ == "__main__":
    main()
