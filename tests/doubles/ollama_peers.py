"""What the double's model says to other graph builders: their prompts recognised, their own output formats spoken.

LightRAG asks for lines of fields between `<|#|>`, neo4j-graphrag for JSON nodes and relationships. Both get the names and relations
that the double finds for everybody, so that each builds the graph of the same text. The latency is drawn by the passage alone:
the same chunk takes as long whoever asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Found = Mapping[str, Sequence[Mapping[str, Any]]]  # of ollama_answers.extraction

FIELD: Final = "<|#|>"
END: Final = "<|COMPLETE|>"
_LIGHTRAG: Final = re.compile(r"^---Input Text---\n```\n(.*)\n```\n\n---Output---", re.DOTALL | re.MULTILINE)
_GLEANING: Final = "Based on the last extraction task, identify and extract any missed"
_SUMMARY: Final = re.compile(r"^(?:Entity|Relation) Name: (.*)$", re.MULTILINE)
_NEO4J: Final = re.compile(r'"start_node_id".*^Input text:\s*\n(.*)\Z', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Question:
    """passage: what the latency is drawn by. text: what to find names in, or nothing. say: the findings in the asker's format."""

    asker: str
    passage: str
    text: str
    say: Callable[[Found], str]


def asked(messages: Sequence[Mapping[str, Any]]) -> Question | None:
    """Whose question this is; None for nobody's that is known here."""
    contents = [str(message.get("content", "")) for message in messages if message.get("role") == "user"]
    last = contents[-1] if contents else ""
    if _GLEANING in last:
        found = _LIGHTRAG.search(contents[0])
        before = found.group(1).strip() if found else ""
        return Question("lightrag gleaning", f"{before}\ngleaning", "", lambda _: END)
    if found := _LIGHTRAG.search(last):
        text = found.group(1).strip()
        return Question("lightrag", text, text, in_fields)
    if "synthesize a list of descriptions" in last and (name := _SUMMARY.search(last)):
        said = f"{name.group(1).strip()} is described in several passages."
        return Question("lightrag summary", last, "", lambda _: said)
    if found := _NEO4J.search(last):
        text = found.group(1).strip()
        return Question("neo4j-graphrag", text, text, as_nodes)
    return None


def in_fields(found: Found) -> str:
    lines = [
        FIELD.join(("entity", entity["name"], entity["type"], f"{entity['name']} is named in the text."))
        for entity in found["entities"]
    ]
    lines += [
        FIELD.join(
            ("relation", relation["source"], relation["target"], relation["type"].lower().replace("_", " "), _sentence(relation))
        )
        for relation in found["relations"]
    ]
    return "\n".join([*lines, END])


def as_nodes(found: Found) -> str:
    ids = {entity["name"]: str(number) for number, entity in enumerate(found["entities"])}
    nodes = [
        {"id": ids[entity["name"]], "label": entity["type"], "properties": {"name": entity["name"]}} for entity in found["entities"]
    ]
    relationships = [
        {
            "type": relation["type"],
            "start_node_id": ids[relation["source"]],
            "end_node_id": ids[relation["target"]],
            "properties": {},
        }
        for relation in found["relations"]
    ]
    return json.dumps({"nodes": nodes, "relationships": relationships}, ensure_ascii=False)


def _sentence(relation: Mapping[str, Any]) -> str:
    return f"{relation['source']} {relation['type'].lower().replace('_', ' ')} {relation['target']}."
