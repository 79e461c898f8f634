"""How a document stands, why it does, and what may not be done with it."""

from __future__ import annotations

from typing import Final

DOCUMENTS: Final = {
    # Waiting for a server
    "Waiting for {server:said}, next try in {time}. {why:said}": "Wartet auf: {server}. Nächster Versuch in {time}. {why}",
    "Waiting for {server:said}. {why:said}": "Wartet auf: {server}. {why}",
    "Waiting for {server:said}.": "Wartet auf: {server}.",
    "{why:said} Next try in {time}.": "{why} Nächster Versuch in {time}.",
    "Gave up waiting for {server:said} after {time} (AEGIS_OUTAGE_HOURS). Retry takes up what is missing.": (
        "Nach {time} aufgegeben (AEGIS_OUTAGE_HOURS), gewartet auf: {server}. „Erneut versuchen“ holt nach, was fehlt."
    ),
    "{why:said} Retry takes up what is missing.": "{why} „Erneut versuchen“ holt nach, was fehlt.",
    # What a run leaves on a document
    "{counts:listed}: {why:said}": "{counts}: {why}",
    "{why:said} The generation before it still answers searches.": "{why} Suchen beantwortet weiterhin die vorherige Generation.",
    "Some of the work is still missing. Retry takes it up.": "Ein Teil der Arbeit fehlt noch. „Erneut versuchen“ holt ihn nach.",
    "The document has no content yet.": "Das Dokument hat noch keinen Inhalt.",
    "The document could not be published.": "Das Dokument konnte nicht veröffentlicht werden.",
    "Ledger, vectors and graph do not hold the same of this document. Retry repairs them.": (
        "Verzeichnis, Vektoren und Graph enthalten von diesem Dokument nicht dasselbe. „Erneut versuchen“ bringt das in Ordnung."
    ),
    "Other documents of the collection took too long to publish.": (
        "Das Veröffentlichen anderer Dokumente der Sammlung dauerte zu lange."
    ),
    "There is more to write to the graph than there is time for. It is written in the background.": (
        "Für den Graphen gibt es mehr zu schreiben, als jetzt Zeit ist. Es geschieht im Hintergrund."
    ),
    "Only {free} MB of memory are free and a run needs {needed}: stop something, or add memory.": (
        "Nur {free} MB Arbeitsspeicher sind frei, und ein Lauf braucht {needed}: Beenden Sie etwas, oder erweitern Sie den"
        " Speicher."
    ),
    "Only {free} MB of disk are free under {home} and a run needs {needed}: free some space.": (
        "Unter {home} sind nur {free} MB der Platte frei, und ein Lauf braucht {needed}: Geben Sie Speicherplatz frei."
    ),
    "The run ended before it could finish this document.": "Der Lauf endete, bevor er mit diesem Dokument fertig war.",
    "The run ended before it reached this document; its page in Dagster says why.": (
        "Der Lauf endete, bevor er bei diesem Dokument war; seine Seite in Dagster sagt, warum."
    ),
    "The run ended without saying so. Retry takes up what is missing.": (
        "Der Lauf endete, ohne es zu melden. „Erneut versuchen“ holt nach, was fehlt."
    ),
    "It could not be removed yet: {why:said} This is tried again by itself.": (
        "Es konnte noch nicht entfernt werden: {why} Das wird von selbst noch einmal versucht."
    ),
    "Its object is gone from the watched bucket.": "Sein Objekt ist aus dem beobachteten Bucket verschwunden.",
    "Cancelled.": "Abgebrochen.",
    "Cancelled before it began.": "Abgebrochen, bevor es begann.",
    "Cancelled. Retry takes up what is missing.": "Abgebrochen. „Erneut versuchen“ holt nach, was fehlt.",
    "Uploaded, not ingested yet.": "Hochgeladen, noch nicht aufgenommen.",
    # What ends the work of a run
    "The run is being stopped.": "Der Lauf wird gerade beendet.",
    "The run's worker process could not be started.": "Der Arbeitsprozess des Laufs ließ sich nicht starten.",
    "The document was removed.": "Das Dokument wurde entfernt.",
    "Another run has taken over this document.": "Ein anderer Lauf hat dieses Dokument übernommen.",
    "The document is not this run's any more.": "Das Dokument gehört nicht mehr zu diesem Lauf.",
    "Another run ({run}) is working on this document.": "Ein anderer Lauf ({run}) arbeitet an diesem Dokument.",
    "This run is over for the document, which is {state:word}.": (
        "Dieser Lauf ist für das Dokument vorbei; sein Zustand ist „{state}“."
    ),
    "The document was cancelled.": "Das Dokument wurde abgebrochen.",
    "This document was cancelled before the run took it up. Retry starts it again.": (
        "Dieses Dokument wurde abgebrochen, bevor der Lauf es aufnahm. „Erneut versuchen“ startet es wieder."
    ),
    "These chunks are gone: the document has newer content.": (
        "Diese Textstücke gibt es nicht mehr: Das Dokument hat neueren Inhalt."
    ),
    "This window is gone: the document has newer content.": "Dieses Fenster gibt es nicht mehr: Das Dokument hat neueren Inhalt.",
    "This generation is gone: the document has newer content.": (
        "Diese Generation gibt es nicht mehr: Das Dokument hat neueren Inhalt."
    ),
    "Newer content has taken the place of this generation.": "Neuerer Inhalt ist an die Stelle dieser Generation getreten.",
    # What may not be done
    "This document is being worked on; cancel it first, or wait.": (
        "An diesem Dokument wird gearbeitet; brechen Sie es zuerst ab, oder warten Sie."
    ),
    "This document is being worked on: cancel it first, then remove it.": (
        "An diesem Dokument wird gearbeitet: Brechen Sie es zuerst ab, dann entfernen Sie es."
    ),
    "This document is being removed; try again when it is gone.": (
        "Dieses Dokument wird gerade entfernt; versuchen Sie es erneut, wenn es nicht mehr da ist."
    ),
    "This document is {state:word}: there is nothing to cancel.": (
        "Der Zustand dieses Dokuments ist „{state}“: Es gibt nichts abzubrechen."
    ),
    "The document is {state:word} already.": "Der Zustand des Dokuments ist schon „{state}“.",
    "The document is {state:word} already; cancel it first to start anew.": (
        "Der Zustand des Dokuments ist schon „{state}“; brechen Sie es zuerst ab, um neu zu beginnen."
    ),
    "The document is {state:word}: ask for its removal first.": (
        "Der Zustand des Dokuments ist „{state}“: Veranlassen Sie zuerst, dass es entfernt wird."
    ),
    "The removal of this document has not begun.": "Das Entfernen dieses Dokuments hat noch nicht begonnen.",
    "There is no document {document}.": "Es gibt kein Dokument {document}.",
    "There is no collection {collection}.": "Es gibt keine Sammlung {collection}.",
    "There is no generation {generation}.": "Es gibt keine Generation {generation}.",
    "There is no window {window}.": "Es gibt kein Fenster {window}.",
    "The name of this object cannot be stored: it is too long, or not text.": (
        "Der Name dieses Objekts lässt sich nicht speichern: Er ist zu lang oder kein Text."
    ),
    "A collection's name has 1 to 63 letters, digits, '-', '_' or '.', and does not begin with '-' or '.'.": (
        "Der Name einer Sammlung hat 1 bis 63 Buchstaben, Ziffern, „-“, „_“ oder „.“ und beginnt nicht mit „-“ oder „.“."
    ),
    # Decisions about entities
    "There is no such entity in this collection any more.": "Diese Entität gibt es in dieser Sammlung nicht mehr.",
    "These two are one entity already.": "Diese beiden sind schon eine Entität.",
    "Choose some of the entity's names, and not all of them.": "Wählen Sie einige der Namen der Entität, aber nicht alle.",
    "This entity has too many names to take so many out at once: take out fewer.": (
        "Diese Entität hat zu viele Namen, um so viele auf einmal herauszulösen: Lösen Sie weniger heraus."
    ),
    "There is no such decision.": "Diese Entscheidung gibt es nicht.",
    "This decision is undone already.": "Diese Entscheidung ist schon rückgängig gemacht.",
    "A later decision speaks of the same names: undo that one first.": (
        "Eine spätere Entscheidung betrifft dieselben Namen: Machen Sie zuerst diese rückgängig."
    ),
    # Uploads and what is asked of documents
    "What can be tried again is {states}.": "Erneut versucht werden kann: {states}.",
    "{filter} is no filter: use {filters}.": "{filter} ist kein Filter: Verwenden Sie {filters}.",
    "Name documents, or choose them by --collection or --failed.": (
        "Nennen Sie Dokumente, oder wählen Sie sie mit --collection oder --failed."
    ),
    "New document.": "Neues Dokument.",
    "Revised: the bytes differ from the last ones under this name.": (
        "Neue Fassung: Der Inhalt ist anders als zuletzt unter diesem Namen."
    ),
    "Unchanged: these bytes are known under this name.": "Unverändert: Dieser Inhalt ist unter diesem Namen bekannt.",
    "Unchanged, but made with other settings.": "Unverändert, aber mit anderen Einstellungen erstellt.",
    "Duplicate of {name}: the same bytes are in this collection under that name.": (
        "Doppelt: wie {name}; derselbe Inhalt ist unter jenem Namen in dieser Sammlung."
    ),
    "Refused: {why:said}": "Abgelehnt: {why}",
    "Another file of this upload has the same name. Upload it alone to make it a revision.": (
        "Eine andere Datei dieses Vorgangs hat denselben Namen. Laden Sie sie allein hoch, um sie zu einer neuen Fassung zu machen."
    ),
    "It cannot be read ({error}).": "Nicht lesbar ({error}).",
    "There is no such file or directory.": "Diese Datei oder diesen Ordner gibt es nicht.",
    "{other} has the same name here. Name the directory above both, or ingest this one alone.": (
        "{other} hat hier denselben Namen. Nennen Sie den Ordner über beiden, oder nehmen Sie diese Datei allein auf."
    ),
    "Dagster takes them up within seconds, small ones together.": ("Dagster nimmt sie binnen Sekunden auf, kleine gemeinsam."),
    "{why:said} The document stays pending and starts as soon as Dagster runs.": (
        "{why} Das Dokument wartet und startet, sobald Dagster läuft."
    ),
    "{why:said} The document starts within a minute.": "{why} Das Dokument startet binnen einer Minute.",
    "{why:said} The run stops by itself before its next chunk.": "{why} Der Lauf endet von selbst vor seinem nächsten Textstück.",
    "{why:said} The removal begins as soon as Dagster runs.": "{why} Das Entfernen beginnt, sobald Dagster läuft.",
}
