"""A parsed paragraph -> subject, verb, object triples over its tokens, read off the dependency parse.

What is read: active and passive voice, a verb's preposition when it has no object, "is a", participles after a noun, relative
clauses, shared subjects and coordinated ends. The questionable decision: a negated statement gives no relation at all, because a
graph edge cannot say "not" and a lower confidence would still be an edge. Confidences rank the constructions by how often they were
right on sample prose; they are not probabilities.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

SUBJECTS: Final = frozenset({"nsubj", "nsubjpass", "csubj"})
OBJECTS: Final = frozenset({"dobj", "obj"})
ACTIVE, PASSIVE, PREPOSITION, IS_A, CLAUSE = 0.8, 0.8, 0.7, 0.75, 0.65
UNCERTAIN: Final = {"may": 0.7, "might": 0.7, "could": 0.75, "should": 0.8, "would": 0.75}
_EMPTY_VERBS: Final = frozenset(
    {"be", "do", "let", "seem", "mean", "get", "go", "say", "see", "note", "think", "know", "try", "want", "need"}
)
_CARRIERS: Final = frozenset(
    {"set", "number", "kind", "type", "list", "range", "series", "variety", "group", "form", "version", "sort", "instance"}
)
_OF_ROLES: Final = frozenset(
    {"part", "member", "subset", "component", "extension", "fork", "implementation", "capital", "author", "subsidiary"}
)
_CODE_SENTENCE = re.compile(r"\s[=|]\s|[{};]\s*$|\|")


@dataclass(frozen=True)
class Triple:
    """source, target: tokens. start, end: characters of the sentence in the paragraph."""

    source: Any
    verb: str
    target: Any
    confidence: float
    start: int
    end: int


def triples(doc: Any) -> Iterator[Triple]:
    for sentence in doc.sents:
        if _CODE_SENTENCE.search(sentence.text) or len(sentence) > 120:
            continue
        for token in sentence:
            for source, verb, target, confidence in _of_token(token):
                if source.i != target.i:
                    yield Triple(source, verb, target, confidence, sentence.start_char, sentence.end_char)


def _of_token(token: Any) -> Iterator[tuple[Any, str, Any, float]]:
    if token.pos_ in ("VERB", "AUX") and token.text[1:].islower() and not _negated(token):
        yield from _of_verb(token)
    if token.dep_ == "appos" and token.head.pos_ == "PROPN" and any(child.lower_ in ("a", "an") for child in token.children):
        yield token.head, "IS_A", token, CLAUSE


def _negated(verb: Any) -> bool:
    return any(child.dep_ == "neg" or child.lower_ in ("never", "hardly", "neither", "nor") for child in verb.children)


def _of_verb(verb: Any) -> Iterator[tuple[Any, str, Any, float]]:
    subjects, passive, factor = _subjects(verb)
    if not subjects:
        return
    factor *= _certainty(verb)
    for verb_type, target, confidence, agent in _predicates(verb, passive):
        for source in subjects:
            ends = (target, source) if agent else (source, target)
            yield ends[0], verb_type, ends[1], round(confidence * factor, 3)


def _certainty(verb: Any) -> float:
    factor = 1.0
    for child in verb.children:
        factor *= UNCERTAIN.get(child.lower_, 1.0) if child.dep_ == "aux" else 1.0
        factor *= 0.7 if child.dep_ == "mark" and child.lower_ in ("if", "unless", "whether") else 1.0
    return factor


def _subjects(verb: Any) -> tuple[list[Any], bool, float]:
    """The tokens that the verb is said of, whether it is said in the passive, and how sure that reading is."""
    own = [child for child in verb.children if child.dep_ in SUBJECTS]
    if own and any(token.text == ":" for token in verb.doc[own[0].i : verb.i]):
        return [], False, 1.0  # "flags: select the mode" says nothing of flags, whatever the parser makes of it
    passive = any(child.dep_ in ("nsubjpass", "auxpass") for child in verb.children)
    if own:
        resolved = [noun for subject in own for noun in _coordinated(_antecedent(subject, verb))]
        return resolved, passive, 1.0 if resolved and resolved[0] in own else CLAUSE / ACTIVE
    if verb.dep_ == "acl" and verb.tag_ == "VBN":
        return [_named(verb.head)], True, CLAUSE / ACTIVE
    if verb.dep_ == "acl" and verb.tag_ == "VBG" and verb.i == verb.head.i + 1:
        return [_named(verb.head)], False, CLAUSE / ACTIVE
    if verb.dep_ == "conj" and verb.head.pos_ in ("VERB", "AUX") and not _negated(verb.head):
        subjects, outer, factor = _subjects(verb.head)
        return subjects, passive or (outer and verb.tag_ == "VBN"), factor
    if verb.dep_ == "xcomp" and verb.head.pos_ in ("VERB", "AUX") and verb.head.lemma_ != "be" and not _negated(verb.head):
        subjects, outer, factor = _subjects(verb.head)
        return (subjects, passive, factor * CLAUSE / ACTIVE) if not outer else ([], False, 1.0)
    return [], False, 1.0


def _antecedent(subject: Any, verb: Any) -> Any:
    """What "that", "which" or "who" stands for."""
    if subject.tag_ in ("WDT", "WP") and verb.dep_ == "relcl":
        return _named(verb.head)
    return subject


def _named(noun: Any) -> Any:
    """ "Neo4j is a database written in Java": what is said of the database is said of Neo4j."""
    if noun.dep_ == "attr" and noun.head.lemma_ == "be" and not _negated(noun.head):
        return next((child for child in noun.head.children if child.dep_ == "nsubj"), noun)
    return noun


def _coordinated(noun: Any) -> list[Any]:
    return [noun, *(other for other in noun.conjuncts if other.i > noun.i and other.pos_ in ("NOUN", "PROPN"))][:6]


def _predicates(verb: Any, passive: bool) -> Iterator[tuple[str, Any, float, bool]]:
    """(type, target, confidence, whether the target is the one that acts)."""
    if verb.lemma_ == "be" and not passive:
        yield from _copula(verb)
        return
    if verb.lemma_.lower() in _EMPTY_VERBS or not verb.lemma_.isalpha():
        return
    particle = "".join(f"_{child.text}" for child in verb.children if child.dep_ == "prt" and child.is_alpha)
    stem = (verb.lemma_ + particle).upper()
    direct = [child for child in verb.children if child.dep_ in OBJECTS] if not passive else []
    if verb.dep_ == "relcl" and not passive:
        direct = [_named(verb.head) if child.tag_ in ("WDT", "WP") else child for child in direct]
    for target in direct:
        if not any(child.lower_ == "no" for child in target.children):
            yield from ((stem, noun, ACTIVE, False) for noun in _coordinated(_carried(target)))
    for child in verb.children:
        if child.dep_ == "agent" or (passive and child.dep_ == "prep" and child.lower_ == "by"):
            yield from ((stem, noun, PASSIVE, True) for noun in _objects(child))
        elif child.dep_ == "prep" and not direct and child.i > verb.i and child.is_alpha:
            said = f"{verb.text}{particle}" if passive else stem
            yield from ((f"{said}_{child.text}".upper(), noun, PREPOSITION, False) for noun in _objects(child))


def _copula(verb: Any) -> Iterator[tuple[str, Any, float, bool]]:
    for noun in (child for child in verb.children if child.dep_ == "attr" and child.pos_ in ("NOUN", "PROPN")):
        below = [target for child in noun.children if child.dep_ == "prep" and child.lower_ == "of" for target in _objects(child)]
        if below and noun.lemma_.lower() in _OF_ROLES:
            yield from ((f"{noun.lemma_}_OF".upper(), target, IS_A, False) for target in below)
        elif below and noun.lemma_.lower() in _CARRIERS:
            yield from (("IS_A", target, IS_A, False) for target in below)
        elif noun.tag_ == "NNS" or any(child.lower_ in ("a", "an", "one") for child in noun.children):
            yield "IS_A", noun, IS_A, False
        elif any(child.lower_ == "the" for child in noun.children):
            yield "IS", noun, IS_A, False
    for preposition in (
        child for child in verb.children if child.dep_ == "prep" and child.lower_ in ("in", "part", "on", "inside")
    ):
        yield from ((f"IS_{preposition.text}".upper(), noun, CLAUSE, False) for noun in _objects(preposition))


def _objects(preposition: Any) -> list[Any]:
    found = [child for child in preposition.children if child.dep_ == "pobj"]
    return [noun for child in found for noun in _coordinated(_carried(child))]


def _carried(noun: Any) -> Any:
    """The thing itself, of "a set of rules" or "two kinds of index"."""
    if noun.lemma_.lower() in _CARRIERS:
        for child in noun.children:
            if child.dep_ == "prep" and child.lower_ == "of":
                return next((inner for inner in child.children if inner.dep_ == "pobj"), noun)
    return noun
