"""Ten questions to gmsh's manual, written with the pages that answer them before the first search, and how many a search answers.

Asked by `make bench-cpu` of the stack that has taken all 390 pages.
"""

from __future__ import annotations

import json
from typing import Any, Final

from bench.harness import Stack

FIRST: Final = 5  # hits that are looked at
QUESTIONS: Final[dict[str, set[int]]] = {
    "What does the name Gmsh mean and how is it pronounced?": {341},
    "Under what terms and conditions may Gmsh be used?": {13, 341, 367},
    "How do I choose the right unstructured meshing algorithm?": {55, 56},
    "Which parameters does a boundary layer field have?": {61, 62},
    "Which section of an MSH file holds the nodes?": {115, 116, 117, 121},
    "How are homology and cohomology of a mesh computed?": {159, 160, 97, 98},
    "How do I import a STEP file and partition its geometry?": {166, 167},
    "How can a post-processing view be cut with a plane?": {93, 153},
    "What does the middle mouse button do?": {26},
    "Which options does CMake take when Gmsh is compiled from source?": {255, 256, 257},
}


def ask(stack: Stack, collection: str = "bench") -> list[dict[str, Any]]:
    """rank: of the first hit on one of the pages, from 1; None where there is none among the first five."""
    answers = []
    for question, pages in QUESTIONS.items():
        done = stack.manage("search", question, "--collection", collection, "--limit", str(FIRST), "--json")
        found = [set(hit["pages"]) for hit in json.loads(done.stdout)]
        ranks = [rank for rank, on in enumerate(found, 1) if on & pages]
        answers.append({"question": question, "pages": sorted(pages), "rank": ranks[0] if ranks else None})
    return answers
