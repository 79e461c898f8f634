"""What goes wrong with Dagster, its workers and their queues, and what else the doctor says."""

from __future__ import annotations

from typing import Final

DAGSTER: Final = {
    "Dagster is not reachable at {address}: start it with make up.": (
        "Dagster ist unter {address} nicht erreichbar: Starten Sie es mit make up."
    ),
    "Dagster at {address} did not answer in time: see make status.": (
        "Dagster unter {address} hat nicht rechtzeitig geantwortet: siehe make status."
    ),
    "What answers at {address} is not Dagster (HTTP {status}).": (
        "Was unter {address} antwortet, ist nicht Dagster (HTTP {status})."
    ),
    "Dagster refused the request: {words:said}": "Dagster hat die Anfrage abgelehnt: {words}",
    "Dagster refused: {words:said}": "Dagster hat abgelehnt: {words}",
    "Dagster launched a run without saying which.": "Dagster hat einen Lauf gestartet, ohne zu sagen, welchen.",
    "Dagster does not know the run {run}.": "Dagster kennt den Lauf {run} nicht.",
    "Dagster's reply lacks {field}.": "In der Antwort von Dagster fehlt {field}.",
    "Dagster's reply to {field} has an unknown shape.": "Die Antwort von Dagster auf {field} hat eine unbekannte Form.",
    "Dagster's reply about its queue has an unknown shape.": (
        "Die Antwort von Dagster über seine Warteschlange hat eine unbekannte Form."
    ),
    "Dagster could not load the code: {words}": "Dagster konnte den Code nicht laden: {words}",
    "Dagster is still loading the code; try again in a few seconds.": (
        "Dagster lädt den Code noch; versuchen Sie es in einigen Sekunden erneut."
    ),
    "Dagster has no code location named {name}: see workspace.yaml.": (
        "Dagster hat keinen Code-Standort namens {name}: siehe workspace.yaml."
    ),
    "Dagster's daemon does not run ({daemons}): see make status.": (
        "Der Daemon von Dagster läuft nicht ({daemons}): siehe make status."
    ),
    # Workers
    "AEGIS_DAGSTER_OWNERS: {owner} is neither an e-mail address nor team:NAME.": (
        "AEGIS_DAGSTER_OWNERS: {owner} ist weder eine E-Mail-Adresse noch team:NAME."
    ),
    "AEGIS_EXECUTOR=celery needs AEGIS_CELERY_BROKER, a redis:// or amqp:// address.": (
        "AEGIS_EXECUTOR=celery braucht AEGIS_CELERY_BROKER, eine Adresse mit redis:// oder amqp://."
    ),
    "No worker takes from the queue {queues}: start one with `make worker QUEUES={same}`.": (
        "Kein Arbeiter bedient die Warteschlange {queues}: Starten Sie einen mit `make worker QUEUES={same}`."
    ),
    "The step {step} ended {attempts} workers: see their memory. Retry does what is missing.": (
        "Der Schritt {step} hat {attempts} Arbeiter beendet: Prüfen Sie deren Arbeitsspeicher. „Erneut versuchen“ holt nach, was"
        " fehlt."
    ),
    "The worker {worker} is on another machine than the stack, whose bucket or vectors are a directory: set AEGIS_BUCKET_URL and"
    " AEGIS_QDRANT_URL to what all machines reach, or run workers beside the stack only.": (
        "Der Arbeiter {worker} ist auf einem anderen Rechner als die Plattform, deren Ablage oder Vektoren ein Ordner sind: Setzen"
        " Sie AEGIS_BUCKET_URL und AEGIS_QDRANT_URL auf etwas, das alle Rechner erreichen, oder starten Sie Arbeiter nur neben der"
        " Plattform."
    ),
    "The worker {worker} has other engines or limits than the run was planned with: give all machines the same AEGIS_ settings of"
    " parser, embedder, models and windows.": (
        "Der Arbeiter {worker} hat andere Dienste oder Grenzen als die, mit denen der Lauf geplant wurde: Geben Sie allen Rechnern"
        " dieselben AEGIS_-Einstellungen für Parser, Embedder, Modelle und Fenster."
    ),
    "Workers on {hosts} take steps, but {settings} is not set, so what it names is a directory that only {host} has: set it, or run"
    " workers there only.": (
        "Arbeiter auf {hosts} nehmen Schritte an, aber {settings} ist nicht gesetzt und meint so einen Ordner, den nur {host} hat:"
        " Setzen Sie es, oder starten Sie Arbeiter nur dort."
    ),
    "A worker needs at least one queue of {queues}.": "Ein Arbeiter braucht mindestens eine Warteschlange von {queues}.",
    "{word} is no queue: write NAME=STEPS_AT_ONCE, the names being {queues}.": (
        "{word} ist keine Warteschlange: Schreiben Sie NAME=SCHRITTE_GLEICHZEITIG; die Namen sind {queues}."
    ),
    "No stack runs here, so this worker needs stores that it shares with the others: set {settings}. (Beside a running stack: the"
    " same AEGIS_HOME.)": (
        "Hier läuft keine Plattform, darum braucht dieser Arbeiter Speicher, die er mit den anderen teilt: Setzen Sie {settings}."
        " (Neben einer laufenden Plattform: dasselbe AEGIS_HOME.)"
    ),
    # The doctor
    "Only {free} MB are free under {place}: free some space.": (
        "Unter {place} sind nur {free} MB frei: Geben Sie Speicherplatz frei."
    ),
    "docling, in the engine server": "docling, im Dienste-Server",
    "docling with a layout by rules, in the engine server": "docling mit Layout nach Regeln, im Dienste-Server",
    "docling with its own models, in the engine server": "docling mit eigenen Modellen, im Dienste-Server",
    "docling-serve at {url}": "docling-serve unter {url}",
    "Ollama {model} at {url}": "Ollama {model} unter {url}",
    "{model} at {url} (OpenAI's protocol)": "{model} unter {url} (OpenAI-Protokoll)",
    "PostgreSQL at {place}": "PostgreSQL unter {place}",
    "Qdrant, local path {path}": "Qdrant, lokaler Pfad {path}",
    "Qdrant at {url}": "Qdrant unter {url}",
    "{version}, AEGIS_QDRANT_API_KEY is sent over http, unencrypted": (
        "{version}, AEGIS_QDRANT_API_KEY geht unverschlüsselt über http"
    ),
    "Neo4j at {address}": "Neo4j unter {address}",
    "ArcadeDB at {address}": "ArcadeDB unter {address}",
    "spaCy, embedded": "spaCy, eingebaut",
    "GLiNER, in the engine server": "GLiNER, im Dienste-Server",
    "OCR, embedded": "OCR, eingebaut",
}
