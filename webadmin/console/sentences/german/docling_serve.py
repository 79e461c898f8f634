"""What goes wrong with a docling-serve: its settings, its answers, its limits."""

from __future__ import annotations

from typing import Final

DOCLING_SERVE: Final = {
    # Our settings
    "AEGIS_DOCLING_SERVE_URL is no complete address: write it with its scheme, as http://host:5001.": (
        "AEGIS_DOCLING_SERVE_URL ist keine vollständige Adresse: Schreiben Sie sie mit ihrem Schema, etwa http://host:5001."
    ),
    "AEGIS_DOCLING_SERVE_API_KEY begins or ends with a blank or holds a line break, which no header can carry: remove it.": (
        "AEGIS_DOCLING_SERVE_API_KEY beginnt oder endet mit einem Leerzeichen oder enthält einen Zeilenumbruch, was kein Header"
        " übertragen kann: Entfernen Sie es."
    ),
    "AEGIS_DOCLING_SERVE_API_KEY holds a letter that is not ASCII, which no header can carry: choose a key without it.": (
        "AEGIS_DOCLING_SERVE_API_KEY enthält einen Buchstaben außerhalb von ASCII, den kein Header übertragen kann:"
        " Wählen Sie einen"
        " Schlüssel ohne ihn."
    ),
    "No request can be made of AEGIS_DOCLING_SERVE_URL and AEGIS_DOCLING_SERVE_API_KEY: correct them.": (
        "Aus AEGIS_DOCLING_SERVE_URL und AEGIS_DOCLING_SERVE_API_KEY lässt sich keine Anfrage bilden: Korrigieren Sie sie."
    ),
    "docling-serve refuses access. Set AEGIS_DOCLING_SERVE_API_KEY to its DOCLING_SERVE_API_KEY.": (
        "docling-serve verweigert den Zugriff. Setzen Sie AEGIS_DOCLING_SERVE_API_KEY auf dessen DOCLING_SERVE_API_KEY."
    ),
    "docling-serve does not accept the request: {detail:said}. Correct the AEGIS_DOCLING_SERVE_ settings, or its own.": (
        "docling-serve nimmt die Anfrage nicht an: {detail}. Korrigieren Sie die Einstellungen AEGIS_DOCLING_SERVE_"
        " oder seine eigenen."
    ),
    # No answer, or somebody else's
    "docling-serve at {url} does not answer ({error}). Start it, or check AEGIS_DOCLING_SERVE_URL.": (
        "docling-serve unter {url} antwortet nicht ({error}). Starten Sie es, oder prüfen Sie AEGIS_DOCLING_SERVE_URL."
    ),
    "docling-serve at {url} is overloaded (HTTP {status}). Retry later.": (
        "docling-serve unter {url} ist überlastet (HTTP {status}). Versuchen Sie es später erneut."
    ),
    "docling-serve at {url} took no upload in time. Retry later.": (
        "docling-serve unter {url} nahm das Dokument nicht rechtzeitig an. Versuchen Sie es später erneut."
    ),
    "The certificate of docling-serve at {url} cannot be trusted: {reason}. Name the authority that signed it in AEGIS_CA_FILE, or"
    " correct AEGIS_DOCLING_SERVE_URL.": (
        "Dem Zertifikat von docling-serve unter {url} ist nicht zu trauen: {reason}. Nennen Sie die Stelle, die es"
        " unterschrieben hat,"
        " in AEGIS_CA_FILE, oder korrigieren Sie AEGIS_DOCLING_SERVE_URL."
    ),
    "No TLS connection to docling-serve at {url} comes about ({reason}). If it speaks http, write AEGIS_DOCLING_SERVE_URL so.": (
        "Mit docling-serve unter {url} kommt keine TLS-Verbindung zustande ({reason}). Wenn es http spricht, schreiben Sie"
        " AEGIS_DOCLING_SERVE_URL so."
    ),
    "{url} sends requests on to another address (HTTP {status}). Set AEGIS_DOCLING_SERVE_URL to that one.": (
        "{url} leitet Anfragen an eine andere Adresse weiter (HTTP {status}). Setzen Sie AEGIS_DOCLING_SERVE_URL auf diese."
    ),
    "There is no docling-serve with interface v1 at {url}. Check AEGIS_DOCLING_SERVE_URL.": (
        "Unter {url} gibt es kein docling-serve mit der Schnittstelle v1. Prüfen Sie AEGIS_DOCLING_SERVE_URL."
    ),
    "What answers at {url} is no docling-serve: it does not name its version. Check AEGIS_DOCLING_SERVE_URL.": (
        "Was unter {url} antwortet, ist kein docling-serve: Es nennt seine Version nicht. Prüfen Sie AEGIS_DOCLING_SERVE_URL."
    ),
    "docling-serve answered with something that is not JSON. Check AEGIS_DOCLING_SERVE_URL.": (
        "docling-serve antwortete mit etwas, das kein JSON ist. Prüfen Sie AEGIS_DOCLING_SERVE_URL."
    ),
    "docling-serve answered without a document. Check that its version is 1 or newer.": (
        "docling-serve antwortete ohne Dokument. Prüfen Sie, ob seine Version 1 oder neuer ist."
    ),
    "docling-serve took the document and named no task. Check that its version is 1 or newer.": (
        "docling-serve nahm das Dokument an und nannte keine Aufgabe. Prüfen Sie, ob seine Version 1 oder neuer ist."
    ),
    "docling-serve answered with a damaged document. Its log has the details.": (
        "docling-serve antwortete mit einem beschädigten Dokument. Die Einzelheiten stehen in seinem Protokoll."
    ),
    "docling-serve answered with a document of schema {theirs}, which is newer than what is read here ({ours}): update docling-core"
    " here, or take an older docling-serve.": (
        "docling-serve antwortete mit einem Dokument des Schemas {theirs}, das neuer ist als das hier lesbare"
        " ({ours}): Aktualisieren"
        " Sie hier docling-core, oder nehmen Sie ein älteres docling-serve."
    ),
    # The document
    "docling-serve does not read {kind} documents. Save it in another format and upload that.": (
        "docling-serve liest keine Dokumente der Art {kind}. Speichern Sie es in einem anderen Format, und laden Sie dieses hoch."
    ),
    "docling-serve cannot read the document: {reason:said}. Save it again in the program that made it, or in another format.": (
        "docling-serve kann das Dokument nicht lesen: {reason}. Speichern Sie es in seinem Programm neu oder in einem"
        " anderen Format."
    ),
    "docling-serve cannot read the document (page {pages}): {reason:said}. Repair that page or leave it out, and"
    " upload the document"
    " again.": (
        "docling-serve kann das Dokument nicht lesen (Seite {pages}): {reason}. Reparieren Sie die Seite, oder lassen"
        " Sie sie weg, und"
        " laden Sie das Dokument erneut hoch."
    ),
    # Limits of the server
    "docling-serve takes no file this large: {reason}. Raise its DOCLING_SERVE_MAX_FILE_SIZE, or lower AEGIS_WINDOW_PAGES.": (
        "docling-serve nimmt keine so große Datei an: {reason}. Erhöhen Sie dessen DOCLING_SERVE_MAX_FILE_SIZE, oder senken Sie"
        " AEGIS_WINDOW_PAGES."
    ),
    "docling-serve takes no document of so many pages: {reason}. Raise its DOCLING_SERVE_MAX_NUM_PAGES, or lower"
    " AEGIS_WINDOW_PAGES.": (
        "docling-serve nimmt kein Dokument mit so vielen Seiten an: {reason}. Erhöhen Sie dessen DOCLING_SERVE_MAX_NUM_PAGES, oder"
        " senken Sie AEGIS_WINDOW_PAGES."
    ),
    "docling-serve takes no document like this: {reason:said}. Raise its DOCLING_SERVE_MAX_FILE_SIZE or"
    " DOCLING_SERVE_MAX_NUM_PAGES,"
    " or lower AEGIS_WINDOW_PAGES.": (
        "docling-serve nimmt ein solches Dokument nicht an: {reason}. Erhöhen Sie dessen DOCLING_SERVE_MAX_FILE_SIZE oder"
        " DOCLING_SERVE_MAX_NUM_PAGES, oder senken Sie AEGIS_WINDOW_PAGES."
    ),
    "docling-serve at {url}, or a proxy in front of it, accepts no upload of this size (HTTP 413). Raise its limit, or lower"
    " AEGIS_WINDOW_PAGES.": (
        "docling-serve unter {url} oder ein Proxy davor nimmt keine Datei dieser Größe an (HTTP 413). Erhöhen Sie"
        " dessen Grenze, oder"
        " senken Sie AEGIS_WINDOW_PAGES."
    ),
    "docling-serve does not convert the document: {reason:said}. Its settings decide that.": (
        "docling-serve wandelt das Dokument nicht um: {reason}. Das bestimmen seine Einstellungen."
    ),
    "docling-serve gave up at its time limit: {reason:said}. Raise AEGIS_DOCLING_SERVE_DOCUMENT_TIMEOUT, or its"
    " DOCLING_SERVE_MAX_DOCUMENT_TIMEOUT.": (
        "docling-serve gab an seiner Zeitgrenze auf: {reason}. Erhöhen Sie AEGIS_DOCLING_SERVE_DOCUMENT_TIMEOUT oder dessen"
        " DOCLING_SERVE_MAX_DOCUMENT_TIMEOUT."
    ),
    "docling-serve has no memory or workers left: {reason:said}. Retry later, or give it more.": (
        "docling-serve hat keinen Arbeitsspeicher oder keine Arbeiter mehr frei: {reason}. Versuchen Sie es später"
        " erneut, oder geben"
        " Sie ihm mehr."
    ),
    "docling-serve answered with more than {limit} MB. Lower AEGIS_DOCLING_SERVE_PICTURE_SCALE or AEGIS_WINDOW_PAGES.": (
        "docling-serve antwortete mit mehr als {limit} MB. Senken Sie AEGIS_DOCLING_SERVE_PICTURE_SCALE oder AEGIS_WINDOW_PAGES."
    ),
    "docling-serve at {url} was not done within {seconds} s ({setting:said}). It goes on, and the next attempt takes its result.": (
        "docling-serve unter {url} war nach {seconds} s nicht fertig ({setting}). Es arbeitet weiter, und"
        " der nächste Versuch"
        " übernimmt sein Ergebnis."
    ),
    # Faults of the server
    "The conversion failed inside docling-serve: {reason:said}. Its log has the details.": (
        "Die Umwandlung scheiterte in docling-serve: {reason}. Die Einzelheiten stehen in seinem Protokoll."
    ),
    "The conversion failed inside docling-serve, without a result. Its log has the details.": (
        "Die Umwandlung scheiterte in docling-serve, ohne ein Ergebnis. Die Einzelheiten stehen in seinem Protokoll."
    ),
    "docling-serve did not convert the document and gives no reason. Its log has the details.": (
        "docling-serve hat das Dokument nicht umgewandelt und nennt keinen Grund. Die Einzelheiten stehen in seinem Protokoll."
    ),
    "docling-serve failed on the document: {reason:said}. Its log has the details.": (
        "docling-serve scheiterte an dem Dokument: {reason}. Die Einzelheiten stehen in seinem Protokoll."
    ),
    "docling-serve failed on the document (page {pages}): {reason:said}. Its log has the details.": (
        "docling-serve scheiterte an dem Dokument (Seite {pages}): {reason}. Die Einzelheiten stehen in seinem Protokoll."
    ),
    "docling-serve refuses the request (HTTP {status}): {detail:said}.": (
        "docling-serve lehnt die Anfrage ab (HTTP {status}): {detail}."
    ),
    "docling-serve answered with an error (HTTP {status}): {detail:said}. Its log has the details.": (
        "docling-serve antwortete mit einem Fehler (HTTP {status}): {detail}. Die Einzelheiten stehen in seinem Protokoll."
    ),
    "docling-serve at {url} forgot the conversion {count} times. See in its log why it was started anew.": (
        "docling-serve unter {url} hat die Umwandlung {count}-mal vergessen. Warum es neu gestartet wurde, steht in"
        " seinem Protokoll."
    ),
    "docling-serve converted a page of one word and did not find the word. Its log has the details.": (
        "docling-serve wandelte eine Seite mit einem Wort um und fand das Wort nicht. Die Einzelheiten stehen in seinem Protokoll."
    ),
}
