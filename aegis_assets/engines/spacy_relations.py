"""Relations between the names of parsed paragraphs, read off the dependency parse.

Trade-off: a negated statement gives no relation, because a graph edge cannot say "not", and an edge that is less sure is still one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aegis_assets.engines.spacy_names import HEADS, NUMERIC, WORDS, Name

SURE, LIKELY = 0.8, 0.7  # they rank the constructions, and are no probabilities
Edge = tuple[str, str, str, float]  # key of the source, type, key of the target, confidence
_UNCERTAIN: Final = ("may", "might", "could", "should", "would", "if", "unless", "whether")
_NEGATIONS: Final = ("never", "hardly", "neither", "nor", "no", "not")
_SUBJECTS: Final = ("nsubj", "nsubjpass")
_IS_PERSON: Final = dict.fromkeys(("he", "she", "his", "her", "him", "hers"), True) | {"it": False, "its": False}


class Reader:
    """A reader of one text's paragraphs, in order, that remembers what earlier ones named. types: of names, by key."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types
        self._seen: list[str] = []  # names of the sentences before, the last sentence and its subjects first
        self._roots: dict[int, str] = {}
        self._inside: set[int] = set()

    def read(self, doc: Any, names: Sequence[Name]) -> Iterator[tuple[Edge, Any]]:
        """Yield what a paragraph states, each with its sentence."""
        self._roots = {name.span.root.i: name.key for name in names if name.type not in NUMERIC}
        self._inside = {token.i for name in names for token in name.span}
        for sentence in doc.sents:
            for token in sentence:
                edges = self._read_noun(token) if token.pos_ == "NOUN" else self._read_verb(token)
                yield from ((edge, sentence) for edge in edges if edge[0] != edge[2])
            subjects = [key for token in sentence if token.dep_ in _SUBJECTS and (key := self._resolve(token))]
            named = [key for token in sentence if (key := self._roots.get(token.i))]
            self._seen = list(dict.fromkeys([*subjects, *named, *self._seen]))

    def _resolve(self, token: Any) -> str | None:
        """Return the name that a token stands for: its own, one in apposition, or what a pronoun or "the company" refers to."""
        if token.dep_ == "attr" and token.pos_ == "NOUN" and (subjects := self._find_subjects(token.head)):
            return subjects[0]  # what is said of the database that Neo4j is, is said of Neo4j
        if token.i in self._inside:
            return self._roots.get(token.i)
        if token.lower_ in _IS_PERSON:
            if token.dep_ == "poss" and token.head.dep_ == "conj" and token.head.head.i in self._roots:
                return self._roots[token.head.head.i]  # "X and his son"
            earlier = sorted(token.doc[token.sent.start : token.i], key=lambda other: other.dep_ not in _SUBJECTS)
            keys = [self._roots[other.i] for other in earlier if other.i in self._roots] + self._seen
            return next((key for key in keys if (self._types[key] == "PERSON") == _IS_PERSON[token.lower_]), None)
        if token.tag_ in ("WDT", "WP", "WP$"):
            clause = next((above for above in token.ancestors if above.dep_ == "relcl"), None)
            return self._resolve(clause.head) if clause is not None and clause.head.i < token.i else None
        beside = [child.i for child in token.children if child.dep_ in ("appos", "compound", "nmod") and child.i in self._roots]
        determined = [child.lower_ for child in token.children if child.dep_ not in ("punct", "relcl", "conj", "cc")]
        noun = token.lemma_.lower() if determined in (["the"], ["this"]) else ""
        referred = (k for k in self._seen if noun in k.split() or (noun in WORDS["refer"] and self._types[k] == HEADS[noun]))
        return self._roots[beside[-1]] if beside else next(referred, None)

    def _resolve_all(self, token: Any) -> list[str]:
        """Return the names that a token and those coordinated with it stand for, six at most."""
        return [key for noun in (token, *token.conjuncts) if noun.i >= token.i and (key := self._resolve(noun))][:6]

    def _resolve_objects(self, preposition: Any) -> list[str]:
        """Return the names that stand behind a preposition or "by"."""
        return [key for child in preposition.children if child.dep_ == "pobj" for key in self._resolve_all(child)]

    def _read_noun(self, noun: Any) -> Iterator[Edge]:
        """Yield offices and kinship: "X, president of Y", "Y's brother, X", "her colleague X", "X is the capital of Y"."""
        holders = [self._roots[child.i] for child in noun.children if child.dep_ == "appos" and child.i in self._roots]
        if noun.dep_ == "attr" and not _is_negated(noun.head):
            holders = self._find_subjects(noun.head)
        elif noun.dep_ == "appos" and (holder := self._resolve(noun.head)):
            holders = [holder]
        owners = [key for child in noun.children if child.dep_ == "poss" and (key := self._resolve(child))]
        owners += [key for c in noun.children if c.lower_ in ("of", "for", "to", "at") for key in self._resolve_objects(c)]
        before = [child.text for child in noun.children if child.i < noun.i and child.dep_ in ("compound", "amod")]
        if noun.i not in self._inside:
            yield from ((holder, join_words(*before, noun.text, "OF"), owner, SURE) for owner in owners for holder in holders)

    def _read_verb(self, verb: Any) -> Iterator[Edge]:
        """Yield what a verb says of its subjects: objects, what stands behind prepositions, and who acts in the passive."""
        if verb.pos_ not in ("VERB", "AUX") or not verb.is_alpha or verb.lemma_ == "be" or _is_negated(verb):
            return
        subjects = self._find_subjects(verb)
        passive = (verb.dep_, verb.tag_) == ("acl", "VBN") or any(child.dep_ in ("nsubjpass", "auxpass") for child in verb.children)
        certainty = LIKELY if any(child.lower_ in _UNCERTAIN for child in verb.children) else 1.0
        # A verb in the past stands as it is, any other as its lemma: ACQUIRED is a fact, ACQUIRE may be a plan.
        past = verb.tag_ == "VBD" or (verb.tag_ == "VBN" and verb.text.endswith("ed"))
        action = join_words(verb.text if past else verb.lemma_, *(child.text for child in verb.children if child.dep_ == "prt"))
        direct = [child for child in verb.children if child.dep_ in ("dobj", "dative", "oprd") and not passive]
        direct = [child for child in direct if child.dep_ == "oprd"] or direct  # "called it the Palace" is said of the Palace
        plain = [target for target in direct if target.pos_ == "NOUN" and not self._resolve_all(target)]
        ends = [(action, key, SURE) for target in direct for key in self._resolve_all(target)]
        for child in (child for word in (verb, *plain) for child in word.children):
            keys = self._resolve_objects(child)
            if child.dep_ == "agent":
                yield from ((agent, action, subject, SURE * certainty) for agent in keys for subject in subjects)
            else:  # "moved its headquarters to Rotterdam", "owns a plant in Katowice"
                kind = join_words(verb.text if passive else action, *(target.text for target in plain[:1]), child.text)
                ends += [(kind, key, LIKELY) for key in keys]
        yield from ((subject, kind, end, sure * certainty) for kind, end, sure in ends for subject in subjects)

    def _find_subjects(self, verb: Any) -> list[str]:
        """Return the names that the verb is said of."""
        own = [child for child in verb.children if child.dep_ in _SUBJECTS]
        if own or verb.dep_ == "acl":
            return self._resolve_all(own[0] if own else verb.head)
        is_shared = verb.dep_ in ("conj", "xcomp", "advcl") and verb.head.pos_ in ("VERB", "AUX") and not _is_negated(verb.head)
        return self._find_subjects(verb.head) if is_shared else []


def _is_negated(word: Any) -> bool:
    return any(c.dep_ == "neg" or c.lower_ in _NEGATIONS or (c.dep_ == "dobj" and _is_negated(c)) for c in word.children)


def join_words(*parts: str) -> str:
    """Return the words as a relation's type: CHIEF_EXECUTIVE_OF."""
    return re.sub(r"[^A-Z0-9]+", "_", "_".join(filter(None, parts)).upper()).strip("_")[:64]
