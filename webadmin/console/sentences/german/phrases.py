"""Parts of sentences: what a value may be that is no name or number. They are known inside of a sentence only."""

from __future__ import annotations

from typing import Final

PHRASES: Final = {
    # What a run counts of failures
    "{failed} of {chunks} chunks failed in {stage:word}": "{failed} von {chunks} Textstücken in „{stage}“ fehlgeschlagen",
    "{failed} window failed in {stage:word}": "{failed} Fenster in „{stage}“ fehlgeschlagen",
    "{failed} windows failed in {stage:word}": "{failed} Fenster in „{stage}“ fehlgeschlagen",
    "{stage:word} failed": "„{stage}“ fehlgeschlagen",
    # What a document waits for; see also who wants a port
    "the vector store": "Vektorspeicher",
    "the bucket": "Ablage",
    "the watched bucket": "beobachteter Bucket",
    "a store": "Speicher",
    "the language model": "Sprachmodell",
    "the embedding server": "Embedding-Server",
    "the broker": "Broker",
    "a worker of the queue {queue}": "Arbeiter der Warteschlange {queue}",
    # What the sandbox does
    "Reading the document": "Das Lesen des Dokuments",
    "Parsing pages {first} to {last}": "Das Lesen der Seiten {first} bis {last}",
    "Parsing sections {first} to {last}": "Das Lesen der Abschnitte {first} bis {last}",
    "Cutting the text into chunks": "Das Schneiden in Textstücke",
    "Drawing page {page}": "Das Zeichnen der Seite {page}",
    "Starting the parser": "Das Starten des Parsers",
    "Converting a page by docling-serve": "Das Umwandeln einer Seite mit docling-serve",
    "Reading the text of a picture": "Das Lesen des Textes in einem Bild",
    "Reranking the hits": "Das Ordnen der Treffer",
    "a fixed limit": "eine feste Grenze",
    "PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, HTML, Markdown, text, CSV, e-mail and pictures": (
        "PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, HTML, Markdown, Text, CSV, E-Mail und Bilder"
    ),
    # Stores and engines
    "directory {place}": "Der Ordner {place}",
    "bucket {url}": "Der Bucket {url}",
    "watched bucket {url}": "Der beobachtete Bucket {url}",
    "another embedder": "einem anderen Embedder",
    "{embedder:said} ({dimension} dimensions)": "{embedder} ({dimension} Dimensionen)",
    "in another version or with other options": "in anderer Version oder mit anderen Optionen",
    "and the embedder is now {new:said}": "und der Embedder ist jetzt {new}",
    "Ollama at {address}": "Ollama unter {address}",
    "The language model's server at {address}": "Der Server des Sprachmodells unter {address}",
    "an Ollama server": "Ollama-Server",
    "an OpenAI-compatible server": "OpenAI-kompatibler Server",
    "{tokens} of {limit} tokens this month": "{tokens} von {limit} Tokens diesen Monat",
    "{tokens} tokens this month": "{tokens} Tokens diesen Monat",
    "the collection's model": "das Modell der Sammlung",
    "not JSON": "kein JSON",
    "no reason given": "ohne Angabe eines Grundes",
    "it gives no reason": "es nennt keinen Grund",
    "no list of its models": "keine Liste seiner Modelle",
    # Who wants a port, and who has it
    "the graph server": "Graph-Server",
    "the engine server": "Dienste-Server",
    "the admin": "Verwaltung",
    "Dagster's code server": "Code-Server von Dagster",
    "Dagster's page": "Dagster-Seite",
    "is taken by {owner:said}": "ist belegt ({owner})",
    "cannot be bound on {host} ({error})": "lässt sich auf {host} nicht öffnen ({error})",
    "process {number} ({command})": "Prozess {number}: {command}",
    "a process of another user": "von einem Prozess eines anderen Benutzers",
    # Languages of texts
    "a language in another script": "eine Sprache in anderer Schrift",
    "the language with the code {code}": "die Sprache mit dem Kürzel {code}",
}
