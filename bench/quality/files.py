"""`python -m bench.quality.files DIR`: whether files as people have them come out as a reader expects.

DIR has the files and folders that its `expected.json` names, with the rules that `bench.quality.file_rules` judges by. Each case
is ingested into a collection of its own, by one `manage.py ingest`, or by one for each of its `commands`. A stack of its own is
started, since exit codes are judged too; the chunks are those of the live generations in its ledger, which alone has their order.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

from bench import results
from bench.harness import Stack, running
from bench.quality.file_rules import Chunk, Outcome, Rules, broken

Row = dict[str, Any]
CASE_SECONDS: Final = 600.0
EXPECTED: Final = "expected.json"
CHUNKS: Final = """
SELECT c.text, p.pages FROM aegis_document d JOIN aegis_collection o ON o.id = d.collection_id
JOIN aegis_placement p ON p.generation_id = d.live_id JOIN aegis_chunk c ON c.id = p.chunk_id
JOIN aegis_window w ON w.id = p.window_id
WHERE o.name = %(collection)s ORDER BY d.name, d.id, w.first, p.ordinal"""
DOCUMENTS: Final = """
SELECT d.message FROM aegis_document d JOIN aegis_collection o ON o.id = d.collection_id WHERE o.name = %(collection)s"""


def ingested(stack: Stack, folder: Path, name: str, rules: Rules, collection: str) -> Outcome:
    """Ingest a case, and return what came out."""
    paths = [folder / name / entry for entry in rules["commands"]] if "commands" in rules else [folder / name]
    codes, messages = [0], list[str]()
    for path in paths:
        done = stack.manage("ingest", str(path), "--collection", collection, "--json", time_out=CASE_SECONDS)
        codes.append(done.returncode)
        for report in (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")):
            messages += [
                str(each["message"]) for each in [*report.get("failures", ()), *report.get("notices", ())] if "message" in each
            ]
    rows = stack.rows(DOCUMENTS, collection=collection)
    chunks = [Chunk(row["text"], tuple(row["pages"])) for row in stack.rows(CHUNKS, collection=collection)]
    return Outcome(chunks, [*messages, *(row["message"] for row in rows)], len(rows), max(codes))


def score(stack: Stack, folder: Path) -> Row:
    """Score all cases, and say of each wrong one why as soon as it is known."""
    expected: dict[str, Rules] = json.loads((folder / EXPECTED).read_text())
    cases: dict[str, list[str]] = {}
    for number, (name, rules) in enumerate(sorted(expected.items())):
        reasons = broken(rules, ingested(stack, folder, name, rules, f"eval-files-{number}"))
        cases[name] = reasons
        print(f"{'wrong' if reasons else 'right'}  {name}{': ' if reasons else ''}{'; '.join(reasons)}", flush=True)
    return summed(cases, {name: rules["kind"] for name, rules in expected.items()})


def summed(cases: dict[str, list[str]], kinds: dict[str, str]) -> Row:
    """Return the figures of all cases and of each kind."""
    right, every = Counter(kinds[name] for name, reasons in cases.items() if not reasons), Counter(kinds.values())
    by_kind = {kind: {"right": right[kind], "wrong": count - right[kind]} for kind, count in sorted(every.items())}
    return {"right": right.total(), "wrong": len(cases) - right.total(), "by_kind": by_kind, "cases": cases}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--keep", action="store_true", help="leave the stack's home there")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    if not (options.path / EXPECTED).is_file():
        raise SystemExit(f"{options.path} has no {EXPECTED}: see docs/formats.md for its form.")
    with running(keep=options.keep) as stack:
        scored = score(stack, options.path)
    print(results.table([{"kind": kind, **counts} for kind, counts in scored["by_kind"].items()]))
    print(f"{scored['right']} right, {scored['wrong']} wrong")
    if options.json:
        print(json.dumps(scored))


if __name__ == "__main__":
    main()
