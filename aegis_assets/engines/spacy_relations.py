"""Relations between the names of parsed paragraphs, read off the dependency parse.

What is read: active and passive voice, prepositions, offices and kinship in apposition, possession and copula, participles,
relative clauses, shared subjects and coordinated ends; "it", "she" and "the company" stand for the name that they most likely mean.
Trade-off: a negated statement gives no relation at all, because a graph edge cannot say "not" and a lower
confidence would still be an edge. Confidences rank the constructions; they are not probabilities.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from aegis_assets.engines.name_types import VOCABULARY, noun_type
from aegis_assets.engines.spacy_names import Name

SURE, LIKELY, LOOSE = 0.8, 0.7, 0.6
UNCERTAIN: Final = dict.fromkeys(("may", "might", "could", "should", "would", "if", "unless", "whether"), 0.7)
_EMPTY_VERBS: Final = frozenset(VOCABULARY["empty_verbs"].split())
_NEGATIONS: Final = frozenset({"never", "hardly", "neither", "nor", "no", "not"})
_OBJECTS: Final = frozenset({"dobj", "obj", "dative", "oprd"})
_SUBJECTS: Final = frozenset({"nsubj", "nsubjpass"})
_HE: Final = frozenset({"he", "she", "his", "her", "him", "hers"})
_IT: Final = frozenset({"it", "its"})
_REFER: Final = frozenset(VOCABULARY["refer"].split())  # nouns that stand for any name of their type


class Statement(NamedTuple):
    """A relation between two names, which are given by their keys."""

    source: str
    type: str
    target: str
    confidence: float


@dataclass
class Reader:
    """A reader of one text's paragraphs, in order, that remembers what earlier ones named. types: of names, by key."""

    types: dict[str, str]
    focus: dict[bool, str] = field(default_factory=dict)  # whether a person -> whom a pronoun in the next sentence means
    called: dict[str, str] = field(default_factory=dict)  # "film" -> what was called so
    subject: str = ""  # of the sentence before, if that names no person
    seen: dict[str, None] = field(default_factory=dict)  # the last one last
    told: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # types, by key: "X is a company"
    roots: dict[int, str] = field(default_factory=dict)
    inside: set[int] = field(default_factory=set)

    def read(self, doc: Any, names: Mapping[str, Sequence[Name]]) -> Iterator[tuple[Statement, Any]]:
        """Yield each statement of a paragraph with its sentence. names: by key."""
        self.roots = {doc[name.first : name.last + 1].root.i: key for key, group in names.items() for name in group}
        self.inside = {index for group in names.values() for name in group for index in range(name.first, name.last + 1)}
        for sentence in doc.sents:
            for token in sentence:
                for statement in (*self._read_noun(token), *self._read_verb(token)):
                    if statement.source != statement.target:
                        yield statement, sentence
            self._refocus(sentence)

    def _is_person(self, key: str) -> bool:
        return self.types.get(key) == "PERSON"

    def _refocus(self, sentence: Any) -> None:
        """Set whom a pronoun in the next sentence means: this one's subject, else the first name in it, a place last."""
        named = [key for token in sentence if (key := self.roots.get(token.i))]
        about = [key for token in sentence if token.dep_ in _SUBJECTS and (key := self._resolve(token))]
        about += sorted(named, key=lambda key: self.types.get(key) == "LOCATION")
        self.focus |= {self._is_person(key): key for key in reversed(about)}
        is_thing = about and self.types.get(about[0]) != "LOCATION" and not any(map(self._is_person, named))
        self.subject = about[0] if is_thing else ""
        for key in named:
            self.seen.pop(key, None)
            self.seen[key] = None

    def _resolve(self, token: Any) -> str | None:
        """Return the name that a token stands for: its own, one in apposition, or what a pronoun or "the company" refers to."""
        own = [c for c in token.head.children if c.dep_ in _SUBJECTS] if token.dep_ == "attr" and token.head.lemma_ == "be" else []
        if own and token.pos_ == "NOUN":  # what is said of the database that Neo4j is, is said of Neo4j
            return self._resolve(own[0])
        if token.i in self.inside:
            return self.roots.get(token.i)
        before = self.roots.get(token.head.head.i) if token.dep_ == "poss" and token.head.dep_ == "conj" else None
        if token.lower_ in _HE and before:  # "X and his son": X is a person, whatever else it was taken for
            self.told[before].append("PERSON")
            return before
        if token.lower_ in _HE or token.lower_ in _IT:
            person = token.lower_ in _HE
            earlier = [other for other in token.doc[token.sent.start : token.i] if self.types.get(self.roots.get(other.i, ""))]
            earlier = [other for other in earlier if self._is_person(self.roots[other.i]) == person]
            if person and not earlier and self.subject and token.dep_ in _SUBJECTS:  # "X sent a letter. He ...": X is a person
                self.told[self.subject].append("PERSON")
                return self.subject
            return self.roots[min(earlier, key=_rank_salience).i] if earlier else self.focus.get(person)
        if token.tag_ in ("WDT", "WP", "WP$"):
            clause = next((above for above in token.ancestors if above.dep_ == "relcl"), None)
            return self._resolve(clause.head) if clause is not None and clause.head.i < token.i else None
        named = [
            c
            for c in token.children
            if c.i in self.roots and (c.dep_ == "appos" or (c.dep_ in ("compound", "nmod") and c.i < token.i))
        ]
        return self.roots[named[-1].i] if named else self._resolve_definite(token)

    def _resolve_definite(self, noun: Any) -> str | None:
        """Return what "the company" refers to: what was called so, else the last name of that type."""
        determined = [child.lower_ for child in noun.children if child.dep_ not in ("punct", "relcl", "conj", "cc")]
        if noun.pos_ != "NOUN" or determined not in (["the"], ["this"]):
            return None
        lemma = noun.lemma_.lower()
        kind = noun_type(lemma) if lemma in _REFER else None
        known = (key for key in reversed(self.seen) if key.endswith(f" {lemma}") or self.types.get(key) == kind)
        return self.called.get(lemma) or next(known, None)

    def _resolve_all(self, token: Any) -> list[str]:
        """Return the names that a token and those coordinated with it stand for, six at most."""
        others = (other for other in token.conjuncts if other.i > token.i and other.pos_ in ("NOUN", "PROPN"))
        return [key for noun in (token, *others) if (key := self._resolve(noun))][:6]

    def _resolve_objects(self, preposition: Any) -> list[str]:
        """Return the names that stand behind a preposition or "by"."""
        return [key for child in preposition.children if child.dep_ == "pobj" for key in self._resolve_all(child)]

    def _read_noun(self, noun: Any) -> Iterator[Statement]:
        """Yield offices and kinship: "X, president of Y", "Y's brother, X", "her colleague X", "X is the capital of Y"."""
        if noun.pos_ == "NOUN" and noun.i not in self.inside and (holders := self._find_holders(noun)):
            owners = [key for child in noun.children if child.dep_ == "poss" and (key := self._resolve(child))]
            for child in noun.children:
                owners += self._resolve_objects(child) if child.lower_ in ("of", "for", "to", "at") else ()
            kind = _join_words(*_spell_role(noun), "OF")
            yield from (Statement(holder, kind, owner, SURE) for owner in owners for holder in holders)

    def _find_holders(self, noun: Any) -> list[str]:
        """Return the names that are said to be what the noun says: the X of "X, president of Y"."""
        if noun.dep_ == "appos" and (holder := self._resolve(noun.head)):
            return [holder]
        if noun.dep_ in ("attr", "nsubj") and noun.head.lemma_ == "be" and not _is_negated(noun.head):
            other = "nsubj" if noun.dep_ == "attr" else "attr"
            return [key for child in noun.head.children if child.dep_ == other for key in self._resolve_all(child)]
        return [self.roots[child.i] for child in noun.children if child.dep_ == "appos" and child.i in self.roots]

    def _read_verb(self, verb: Any) -> Iterator[Statement]:
        """Yield what a verb says of its subjects."""
        if verb.pos_ not in ("VERB", "AUX") or not verb.text[1:].islower() or _is_negated(verb):
            return
        subjects, passive = self._find_subjects(verb)
        certainty = min((UNCERTAIN.get(child.lower_, 1.0) for child in verb.children if child.dep_ in ("aux", "mark")), default=1.0)
        if verb.lemma_ == "be" and not passive:
            yield from self._read_copula(verb, subjects)
        elif verb.lemma_.lower() not in _EMPTY_VERBS and verb.is_alpha:
            for kind, target, confidence, agent in self._read_predicates(verb, passive):
                for subject in subjects:
                    source, end = (target, subject) if agent else (subject, target)
                    yield Statement(source, kind, end, confidence * certainty)

    def _find_subjects(self, verb: Any) -> tuple[list[str], bool]:
        """Return the names that the verb is said of, and whether it is said in the passive."""
        own = [child for child in verb.children if child.dep_ in _SUBJECTS]
        passive = any(child.dep_ in ("nsubjpass", "auxpass") for child in verb.children)
        if own:
            return self._resolve_all(own[0]), passive
        if verb.dep_ == "acl" and verb.tag_ in ("VBN", "VBG"):
            return [key for key in [self._resolve(verb.head)] if key], verb.tag_ == "VBN"
        if verb.dep_ in ("conj", "xcomp", "advcl") and verb.head.pos_ in ("VERB", "AUX") and not _is_negated(verb.head):
            subjects, outer = self._find_subjects(verb.head)
            return subjects, passive or (outer and verb.dep_ == "conj" and verb.tag_ == "VBN")
        return [], passive

    def _read_copula(self, verb: Any, subjects: list[str]) -> Iterator[Statement]:
        """Yield what "to be" says of its subjects, and remember the types that it tells of them."""
        for child in verb.children:
            if child.dep_ == "attr" and not _is_negated(child):
                if child.pos_ == "NOUN" and (told := noun_type(child.lemma_.lower())):
                    for source in subjects:
                        self.told[source].append(told)
                        self.types[source] = told
                        self.called[child.lemma_.lower()] = source
                if named := self.roots.get(child.i):
                    yield from (Statement(source, "IS_A" if child.pos_ == "NOUN" else "IS", named, LIKELY) for source in subjects)

    def _read_predicates(self, verb: Any, passive: bool) -> Iterator[tuple[str, str, float, bool]]:
        """Yield (type, target, confidence, whether the target is the one that acts) for each end of a verb."""
        action = _spell_verb(verb)
        direct = [child for child in verb.children if child.dep_ in _OBJECTS] if not passive or verb.dep_ == "conj" else []
        plain = ""
        if any(target.dep_ == "oprd" for target in direct):  # "called it the Palace" is said of the Palace
            direct = [target for target in direct if target.pos_ != "PRON"]
        for target in direct:
            if _is_negated(target):
                return
            keys = self._resolve_all(target)
            plain = plain or ("" if keys or target.pos_ != "NOUN" else target.text)
            yield from ((action, key, SURE, False) for key in keys)
            for child in target.children if not keys else ():  # "owns a plant in Katowice"
                yield from (
                    (_join_words(action, target.text, child.text), key, LIKELY, False) for key in self._resolve_objects(child)
                )
        for child in verb.children:
            if child.dep_ == "agent":
                yield from ((action, key, SURE, True) for key in self._resolve_objects(child))
            elif child.is_alpha:
                kind = _join_words(verb.text if passive else action, plain, child.text)
                yield from ((kind, key, LOOSE if direct else LIKELY, False) for key in self._resolve_objects(child))


def _rank_salience(token: Any) -> tuple[bool, bool, int]:
    return token.dep_ not in _SUBJECTS, token.dep_ not in _OBJECTS, token.i


def _is_negated(word: Any) -> bool:
    return any(child.dep_ == "neg" or child.lower_ in _NEGATIONS for child in word.children)


def _spell_verb(verb: Any) -> str:
    """Return a verb in the past as it stands, any other by its lemma: ACQUIRED is a fact, ACQUIRE may be a plan."""
    particles = [child.text for child in verb.children if child.dep_ == "prt"]
    past = verb.tag_ == "VBD" or (verb.tag_ == "VBN" and verb.text.endswith("ed"))
    return _join_words(verb.text if past else verb.lemma_, *particles)


def _spell_role(noun: Any) -> list[str]:
    """Return the words that name an office or kinship: "chief executive" of "its new chief executive since 2021"."""
    before = [
        c for c in noun.children if c.i < noun.i and c.dep_ in ("compound", "amod") and c.tag_ not in ("JJS", "JJR") and c.is_alpha
    ]
    return [*(child.text for child in before if child.lower_ not in ("new", "own", "first", "last")), noun.text]


def _join_words(*parts: str) -> str:
    """Return the words as a relation's type: CHIEF_EXECUTIVE_OF."""
    return re.sub(r"[^A-Z0-9]+", "_", "_".join(filter(None, parts)).upper()).strip("_")[:64]
