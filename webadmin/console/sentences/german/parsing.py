"""What goes wrong with a parser of our own in its sandbox, and in the settings of any."""

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
}
