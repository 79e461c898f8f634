"""What goes wrong with a parser: our own in its sandbox, or docling-serve."""

from __future__ import annotations

from typing import Final

PARSING: Final = {
    # The sandbox. subject: one of the phrases, such as "Reading the document".
    "{subject:said} took longer than {seconds} s and was stopped ({setting:said}).": (
        "{subject} dauerte länger als {seconds} s und wurde abgebrochen ({setting})."
    ),
    "{subject:said} needed more than {limit} MB and was stopped ({setting:said}).": (
        "{subject} brauchte mehr als {limit} MB und wurde abgebrochen ({setting})."
    ),
    "{subject:said} was killed by the system, most likely because memory ran out.": (
        "{subject} wurde vom System beendet, wahrscheinlich, weil der Arbeitsspeicher nicht reichte."
    ),
    "{subject:said} wrote more than {limit} MB into one file and was stopped.": (
        "{subject} schrieb mehr als {limit} MB in eine Datei und wurde abgebrochen."
    ),
    "{subject:said} made the parser crash ({name}).": "{subject} brachte den Parser zum Absturz ({name}).",
    "{subject:said} came back with an answer that cannot be read.": "{subject} endete mit einer Antwort, die nicht lesbar ist.",
    # The parser
    "The parsed window cannot be read. Retry the document to parse it again.": (
        "Das gelesene Fenster lässt sich nicht öffnen. „Erneut versuchen“ liest es noch einmal."
    ),
    "The converted document is missing, so this window cannot be parsed. Retry the document.": (
        "Das umgewandelte Dokument fehlt, darum kann dieses Fenster nicht gelesen werden. Wählen Sie „Erneut versuchen“."
    ),
    "docling could not read the document ({name}). Save it in another format and upload that.": (
        "docling konnte das Dokument nicht lesen ({name}). Speichern Sie es in einem anderen Format, und laden Sie dieses hoch."
    ),
    "The parser named a file that it did not write.": "Der Parser nannte eine Datei, die er nicht geschrieben hat.",
    "The parser left something that is no file.": "Der Parser hinterließ etwas, das keine Datei ist.",
    "The parser's answer has the wrong shape.": "Die Antwort des Parsers hat die falsche Form.",
    "There is no PDF parser named {name}; AEGIS_PARSER is rules or docling.": (
        "Es gibt keinen PDF-Parser namens {name}; AEGIS_PARSER ist rules oder docling."
    ),
    "AEGIS_PARSER is docling, but its models are not installed: install aegis with the extra [gpu], or set rules.": (
        "AEGIS_PARSER ist docling, aber dessen Modelle sind nicht installiert: Installieren Sie aegis mit dem Extra [gpu], oder"
        " setzen Sie rules."
    ),
    "AEGIS_PARSER is 'docling-serve' and AEGIS_DOCLING_SERVE_URL is empty: set it, or AEGIS_PARSER=auto.": (
        "AEGIS_PARSER ist „docling-serve“, und AEGIS_DOCLING_SERVE_URL ist leer: Setzen Sie die Adresse oder AEGIS_PARSER=auto."
    ),
    "The embedder's directory has no tokenizer.json, which cutting chunks needs: {name}.": (
        "Im Ordner des Embedders ({name}) fehlt tokenizer.json, das zum Schneiden der Textstücke nötig ist."
    ),
    "Chunks of {limit} tokens are too small to hold text. Raise the embedder's limit.": (
        "Textstücke von {limit} Tokens sind zu klein für Text. Erhöhen Sie die Grenze des Embedders."
    ),
    # docling-serve
    "docling-serve does not read {kind} documents. Save it in another format and upload that.": (
        "docling-serve liest keine Dokumente der Art {kind}. Speichern Sie es in einem anderen Format, und laden Sie dieses hoch."
    ),
    "docling-serve could not read the document. Save it in another format and upload that.": (
        "docling-serve konnte das Dokument nicht lesen. Speichern Sie es in einem anderen Format, und laden Sie dieses hoch."
    ),
    "docling-serve read only a part of the document. Its log has the details.": (
        "docling-serve hat nur einen Teil des Dokuments gelesen. Die Einzelheiten stehen in seinem Protokoll."
    ),
    "docling-serve answered with an error (HTTP {status}). Its log has the details.": (
        "docling-serve antwortete mit einem Fehler (HTTP {status}). Die Einzelheiten stehen in seinem Protokoll."
    ),
    "docling-serve answered with a damaged document. Its log has the details.": (
        "docling-serve antwortete mit einem beschädigten Dokument. Die Einzelheiten stehen in seinem Protokoll."
    ),
    "docling-serve answered without a document. Check that its version is 1 or newer.": (
        "docling-serve antwortete ohne Dokument. Prüfen Sie, ob seine Version 1 oder neuer ist."
    ),
    "docling-serve answered with something that is not JSON. Check AEGIS_DOCLING_SERVE_URL.": (
        "docling-serve antwortete mit etwas, das kein JSON ist. Prüfen Sie AEGIS_DOCLING_SERVE_URL."
    ),
    "docling-serve answered with more than {limit} MB. Split the document.": (
        "docling-serve antwortete mit mehr als {limit} MB. Teilen Sie das Dokument."
    ),
    "docling-serve refuses access. Set AEGIS_DOCLING_SERVE_API_KEY to its DOCLING_SERVE_API_KEY.": (
        "docling-serve verweigert den Zugriff. Setzen Sie AEGIS_DOCLING_SERVE_API_KEY auf dessen DOCLING_SERVE_API_KEY."
    ),
    "docling-serve at {url} is overloaded (HTTP {status}). Retry later.": (
        "docling-serve unter {url} ist überlastet (HTTP {status}). Versuchen Sie es später erneut."
    ),
    "docling-serve gave up on the document: it took too long there. Raise its DOCLING_SERVE_MAX_SYNC_WAIT.": (
        "docling-serve hat das Dokument aufgegeben: Es dauerte dort zu lange. Erhöhen Sie dessen DOCLING_SERVE_MAX_SYNC_WAIT."
    ),
    "There is no docling-serve with interface v1 at {url}. Check AEGIS_DOCLING_SERVE_URL.": (
        "Unter {url} gibt es kein docling-serve mit der Schnittstelle v1. Prüfen Sie AEGIS_DOCLING_SERVE_URL."
    ),
    "The document is larger than docling-serve accepts. Split it.": (
        "Das Dokument ist größer, als docling-serve annimmt. Teilen Sie es."
    ),
    "docling-serve at {url} did not answer within {seconds} s.": (
        "docling-serve unter {url} hat binnen {seconds} s nicht geantwortet."
    ),
    "docling-serve at {url} does not answer ({error}). Start it, or check AEGIS_DOCLING_SERVE_URL.": (
        "docling-serve unter {url} antwortet nicht ({error}). Starten Sie es, oder prüfen Sie AEGIS_DOCLING_SERVE_URL."
    ),
}
