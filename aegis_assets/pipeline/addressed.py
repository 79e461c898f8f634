"""Which lines of a text speak to its reader or to a language model: what they say may be an instruction instead of a statement.

Every prompt that was measured repeated an injected claim as a relation, so relations with such evidence are marked for people and
filters. Design note: words, not a model: who writes for a model can talk to the one that judges, too. A plain false sentence has no
such words and cannot be noticed by its form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from aegis_assets.model.extraction import Extraction
from aegis_assets.pipeline.passage import lines
from aegis_assets.pipeline.sentences import Span

DOUBT: Final = 0.5  # of the confidence that the relation would have else

# What is said to a model. One such line makes the whole paragraph doubtful: the claim often stands in the next sentence.
_TO_MODEL: Final = re.compile(
    r"\b(?:"  # once for all of them: three times as fast as one in each
    r"(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|rules|prompts?|above|previous|prior|everything)\b"
    r"|(?:previous|prior|above|new|hidden) (?:instructions?|prompts?|task)\b|system (?:prompt|message|notice|override)\b"
    r"|you are (?:now|no longer)\b|you are an? (?:ai|assistant|language model|helpful)\b|as an ai\b"
    r"|(?:answer|respond|reply|output) (?:only|with|exactly)\b|do not (?:list|mention|extract|reveal|report|output)\b"
    r"|(?:dear|attention) (?:ai|assistant|language model|llm|model|chatbot)s?\b|(?:llm|chatbot)s?[:,] |assistants?: "
    r"|end of (?:data|passage|document|context)\b"
    r"|(?:ignorier|vergiss|vergesst|missachte)\w*\b.{0,40}\b(?:anweisung|regel|obige|vorherige|bisherige)\w*"
    r"|(?:neue|vorherige|obige) (?:anweisung|aufgabe)\w*|du bist (?:jetzt|nun|kein|nicht mehr)\b|antworte (?:nur|mit)\b"
    r"|(?:ignore[zr]?|oublie[zr]?)\b.{0,40}\b(?:instructions?|consignes?|règles?)\b|réponds? (?:seulement|uniquement)\b"
    r"|(?:ignora|olvida)\b.{0,40}\b(?:instrucciones|istruzioni|reglas|regole)\b"
    r")|\A\W*assistants?, |<\|?/?(?:system|user|assistant|passage|im_start|im_end)\b",
    re.IGNORECASE,
)
# What is said to a reader: second persons that mean nothing else ("du" is French, too), and the beginning of a request.
_DU: Final = r"(?:bist|hast|wirst|kannst|musst|sollst|darfst|willst|findest|siehst)"
_TO_READER: Final = re.compile(
    r"\b(?:you|your|yours|yourself|dich|dir|dein\w{0,2}|vous|votre|vos|usted|ustedes)\b"
    rf"|\b(?:(?:dass|wenn|falls|ob) du|du {_DU}|{_DU} du)\b"
    r"|\A\W*(?:please|note that|bitte|veuillez|por favor)\b"
    r"|\A\W*(?:report|state|list|say|write|print|add|remember|pretend|act|translate) (?:that|the|an?|as|all|only|down)\b",
    re.IGNORECASE,
)
_BLANK_LINE: Final = re.compile(r"\n[ \t]*\n")


def addressed_lines(text: str, spans: Sequence[Span]) -> list[bool]:
    """Return for each line whether it speaks to its reader or to a model. spans: of the text's lines, in order."""
    paragraphs: list[int] = []
    paragraph = 0
    for (_, end), (start, _) in zip([(0, 0), *spans[:-1]], spans, strict=True):
        paragraph += bool(_BLANK_LINE.search(text, end, start))
        paragraphs.append(paragraph)
    words = [" ".join(text[start:end].split()) for start, end in spans]
    doubtful = {paragraph for paragraph, line in zip(paragraphs, words, strict=True) if _TO_MODEL.search(line)}
    return [paragraph in doubtful or bool(_TO_READER.search(line)) for paragraph, line in zip(paragraphs, words, strict=True)]


def marked(extraction: Extraction, text: str) -> Extraction:
    """Return it with the relations marked, and less sure, whose sentence addresses its reader or a model."""
    if all(relation.addressed for relation in extraction.relations):
        return extraction
    spans = lines(text)
    addressed = [span for span, speaks in zip(spans, addressed_lines(text, spans), strict=True) if speaks]
    relations = tuple(
        relation.model_copy(update={"addressed": True, "confidence": relation.confidence * DOUBT})
        if not relation.addressed and any(start < relation.end and relation.start < end for start, end in addressed)
        else relation
        for relation in extraction.relations
    )
    return extraction.model_copy(update={"relations": relations})
