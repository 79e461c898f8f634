"""What is wrong with a question: a search, an address of the API, a command."""

from __future__ import annotations

from typing import Final

ASKING: Final = {
    "The search text is empty.": "Der Suchtext ist leer.",
    "The search text has {length} characters; ask in at most {limit}.": (
        "Der Suchtext hat {length} Zeichen; fragen Sie mit höchstens {limit}."
    ),
    "There is no collection named {collection}.": "Es gibt keine Sammlung namens {collection}.",
    "There is no document named {name}.": "Es gibt kein Dokument namens {name}.",
    "More than one document is named {name}; say which by its id: {ids}.": (
        "Mehrere Dokumente heißen {name}; nennen Sie das gemeinte mit seiner Kennung: {ids}."
    ),
    "Send at least one file, as `files`.": "Senden Sie mindestens eine Datei, als `files`.",
    "A state is one of {states}.": "Ein Zustand ist einer aus {states}.",
    "`after` takes what `next` of the page before said.": "`after` nimmt, was `next` der Seite davor sagte.",
    "`{name}` is a number from 1 to {most}.": "`{name}` ist eine Zahl von 1 bis {most}.",
    "`{name}` is true or false.": "`{name}` ist true oder false.",
    "Name 1 to {most} documents by `id`.": "Nennen Sie 1 bis {most} Dokumente mit `id`.",
    "An id is not a UUID.": "Eine Kennung ist keine UUID.",
}
