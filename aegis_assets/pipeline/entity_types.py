"""Types of entities as the rules on names read them, and which types say little.

A name is compared as a person's, a place's, an organisation's or any other's. Extractors and collections name their types as they
like; a type that only says that something has a name decides nothing beside one that says more.
"""

from __future__ import annotations

from typing import Final

OTHER: Final = "OTHER"
PERSON: Final = "PERSON"
PLACE: Final = "PLACE"
ORGANIZATION: Final = "ORGANIZATION"
READINGS: Final = (OTHER, PERSON, PLACE, ORGANIZATION)
GENERIC: Final = frozenset({"", "term", "concept", "misc", "miscellaneous", "other", "unknown", "entity"})
_READING_OF: Final = {
    **dict.fromkeys(("person", "people", "human", "author", "researcher", "character"), PERSON),
    **dict.fromkeys(("location", "place", "city", "country", "region", "gpe"), PLACE),
    **dict.fromkeys(("organization", "organisation", "org", "company", "institution"), ORGANIZATION),
}


def reading_of(entity_type: str) -> str:
    """Return which rules are for names of this type."""
    return _READING_OF.get(entity_type.casefold(), OTHER)


def is_generic(entity_type: str) -> bool:
    """Return whether the type says no more than that something has a name."""
    return entity_type.casefold() in GENERIC


def shared_reading(left: str, right: str) -> str | None:
    """Return which rules are for a pair of names of these types, None where the types contradict each other."""
    if is_generic(left) or is_generic(right):
        return reading_of(right if is_generic(left) else left)
    reading = reading_of(left)
    if reading != reading_of(right) or (reading == OTHER and left.casefold() != right.casefold()):
        return None
    return reading
