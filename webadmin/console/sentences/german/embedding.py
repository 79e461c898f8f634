"""What goes wrong with a server that embeds, and with the reranker."""

from __future__ import annotations

from typing import Final

EMBEDDING: Final = {
    # Settings
    "{setting} is not an address: correct it.": "{setting} ist keine Adresse: Berichtigen Sie es.",
    "{setting} must begin with http:// or https://, followed by a host: {address}.": (
        "{setting} muss mit http:// oder https:// beginnen, gefolgt von einem Rechnernamen: {address}."
    ),
    "{setting} must be https: plain http is for this machine and private networks.": (
        "{setting} muss https sein: Einfaches http ist für diesen Rechner und private Netze."
    ),
    "{address} does not speak https: correct {setting}.": "{address} spricht kein https: Berichtigen Sie {setting}.",
    "The certificate of {address} is signed by nobody known here: set AEGIS_CA_FILE to the authority's certificate.": (
        "Das Zertifikat von {address} hat niemand unterschrieben, der hier bekannt ist: Setzen Sie AEGIS_CA_FILE auf das"
        " Zertifikat der"
        " ausstellenden Stelle."
    ),
    "AEGIS_EMBEDDING_API_KEY has a blank or a letter that no key can have: copy it again, without what is around it.": (
        "AEGIS_EMBEDDING_API_KEY hat ein Leerzeichen oder einen Buchstaben, den kein Schlüssel haben kann: Kopieren Sie ihn"
        " noch einmal,"
        " ohne das, was um ihn steht."
    ),
    "AEGIS_EMBEDDER is '{embedder}' and AEGIS_EMBEDDING_URL is empty: set it.": (
        "AEGIS_EMBEDDER ist „{embedder}“, und AEGIS_EMBEDDING_URL ist leer: Setzen Sie es."
    ),
    "AEGIS_EMBEDDING_MODEL is empty, and the server at {address} has {models:said}: set it to one.": (
        "AEGIS_EMBEDDING_MODEL ist leer, und der Server unter {address} hat {models}: Setzen Sie es auf ein Modell."
    ),
    "AEGIS_EMBEDDING_TOKENIZER is neither a tokenizer.json nor a directory with one: correct the path.": (
        "AEGIS_EMBEDDING_TOKENIZER ist weder eine tokenizer.json noch ein Ordner mit einer: Berichtigen Sie den Pfad."
    ),
    # What the server says
    "The embedding server at {address} cannot be reached: start it, or correct {setting}.": (
        "Der Embedding-Server unter {address} ist nicht erreichbar: Starten Sie ihn, oder berichtigen Sie {setting}."
    ),
    "The embedding server at {address} gave no answer within {seconds} s: raise AEGIS_EMBEDDING_TIMEOUT.": (
        "Der Embedding-Server unter {address} hat binnen {seconds} s nicht geantwortet: Erhöhen Sie AEGIS_EMBEDDING_TIMEOUT."
    ),
    "The embedding server at {address} broke the connection off before its answer was whole.": (
        "Der Embedding-Server unter {address} brach die Verbindung ab, bevor seine Antwort vollständig war."
    ),
    "The embedding server did not say within {seconds} s which model it runs: it may be loading it.": (
        "Der Embedding-Server hat binnen {seconds} s nicht gesagt, welches Modell er hat: Vielleicht lädt er es noch."
    ),
    "The embedding server at {address} refuses access (HTTP {status}): correct AEGIS_EMBEDDING_API_KEY.": (
        "Der Embedding-Server unter {address} verweigert den Zugang (HTTP {status}): Berichtigen Sie AEGIS_EMBEDDING_API_KEY."
    ),
    "The embedding server at {address} says that the quota of AEGIS_EMBEDDING_API_KEY is used up: raise it there.": (
        "Der Embedding-Server unter {address} sagt, dass das Kontingent von AEGIS_EMBEDDING_API_KEY verbraucht ist: Erhöhen"
        " Sie es dort."
    ),
    "The embedding server at {address} is overloaded (HTTP {status}).": (
        "Der Embedding-Server unter {address} ist überlastet (HTTP {status})."
    ),
    "The embedding server at {address} is behind a proxy that does not reach it (HTTP {status}).": (
        "Der Embedding-Server unter {address} steht hinter einem Proxy, der ihn nicht erreicht (HTTP {status})."
    ),
    "The embedding server at {address} does not have the model {model}: correct AEGIS_EMBEDDING_MODEL, or load it there.": (
        "Der Embedding-Server unter {address} hat das Modell {model} nicht: Berichtigen Sie AEGIS_EMBEDDING_MODEL, oder"
        " laden Sie es"
        " dort."
    ),
    "The embedding server at {address} makes no embeddings (HTTP 501): {reason:said}": (
        "Der Embedding-Server unter {address} macht keine Embeddings (HTTP 501): {reason}"
    ),
    "The embedding server at {address} takes no text of this length (HTTP {status}): {reason:said}": (
        "Der Embedding-Server unter {address} nimmt keinen Text von dieser Länge (HTTP {status}): {reason}"
    ),
    "The embedding server at {address} refused the request (HTTP {status}): {reason:said}": (
        "Der Embedding-Server unter {address} hat die Anfrage abgelehnt (HTTP {status}): {reason}"
    ),
    "The embedding server at {address} failed on the request (HTTP {status}): {reason:said}": (
        "Der Embedding-Server unter {address} ist an der Anfrage gescheitert (HTTP {status}): {reason}"
    ),
    "What answers at {address} does not speak {protocol}'s protocol: correct {setting}.": (
        "Was unter {address} antwortet, spricht nicht das Protokoll von {protocol}: Berichtigen Sie {setting}."
    ),
    "What answers at {address} does not speak {protocol}'s protocol (HTTP {status}): correct {setting}.": (
        "Was unter {address} antwortet, spricht nicht das Protokoll von {protocol} (HTTP {status}): Berichtigen Sie {setting}."
    ),
    # Its model
    "The embedding server at {address} runs {model}, not {wanted}: correct AEGIS_EMBEDDING_MODEL, or leave it empty.": (
        "Der Embedding-Server unter {address} hat {model}, nicht {wanted}: Berichtigen Sie AEGIS_EMBEDDING_MODEL, oder"
        " lassen Sie es leer."
    ),
    "The embedding server at {address} runs {model}, which embeds nothing: start another model.": (
        "Der Embedding-Server unter {address} hat {model}, das nichts einbettet: Starten Sie ein anderes Modell."
    ),
    "The embedding server at {address} runs {model} without SPLADE pooling, which AEGIS_EMBEDDING_SPARSE_URL is for: start it with"
    " --pooling splade, or leave the setting empty.": (
        "Der Embedding-Server unter {address} hat {model} ohne SPLADE-Pooling, wofür AEGIS_EMBEDDING_SPARSE_URL da ist:"
        " Starten Sie ihn"
        " mit --pooling splade, oder lassen Sie die Einstellung leer."
    ),
    "The embedding server at {address} runs {model} with SPLADE pooling, which makes no dense vectors: name it in"
    " AEGIS_EMBEDDING_SPARSE_URL, and another one in AEGIS_EMBEDDING_URL.": (
        "Der Embedding-Server unter {address} hat {model} mit SPLADE-Pooling, das keine dichten Vektoren macht: Nennen Sie ihn in"
        " AEGIS_EMBEDDING_SPARSE_URL, und einen anderen in AEGIS_EMBEDDING_URL."
    ),
    "The model {model} reads {tokens} tokens of a text, which is too little for a chunk: choose another, or raise"
    " AEGIS_EMBEDDING_MAX_TOKENS.": (
        "Das Modell {model} liest {tokens} Tokens eines Textes, was für ein Textstück zu wenig ist: Wählen Sie ein anderes, oder"
        " erhöhen Sie AEGIS_EMBEDDING_MAX_TOKENS."
    ),
    "A text of {characters} characters is too long for the embedding server, also in {parts} parts: lower"
    " AEGIS_EMBEDDING_MAX_TOKENS to what its model reads.": (
        "Ein Text von {characters} Zeichen ist zu lang für den Embedding-Server, auch in {parts} Teilen: Setzen Sie"
        " AEGIS_EMBEDDING_MAX_TOKENS auf das herab, was sein Modell liest."
    ),
    # Its vectors
    "The embedding server returned {vectors} vectors for {texts} texts, or numbered them wrongly.": (
        "Der Embedding-Server lieferte zu {texts} Texten eine andere Zahl von Vektoren ({vectors}) oder nummerierte sie falsch."
    ),
    "The embedding server returned something that is no vector.": "Der Embedding-Server lieferte etwas, das kein Vektor ist.",
    "The embedding server returned a vector that holds no number.": "Der Embedding-Server lieferte einen Vektor ohne Zahlen.",
    "The embedding server returned a vector of zeros.": "Der Embedding-Server lieferte einen Vektor aus Nullen.",
    "The embedding server returned a vector of {now} dimensions where it had {before}: another model runs there now.": (
        "Der Embedding-Server lieferte einen Vektor mit {now} Dimensionen, wo es {before} waren: Dort läuft jetzt ein"
        " anderes Modell."
    ),
    "The embedding server returned sparse weights that are none.": "Der Embedding-Server lieferte Wortgewichte, die keine sind.",
    # The reranker
    "The hits are not reranked: {problem:said}": "Die Treffer sind nicht neu geordnet: {problem}",
    "The reranker did not answer within {seconds} s: it may still be loading; else give it a GPU, or lower AEGIS_RERANK_HITS.": (
        "Der Reranker hat binnen {seconds} s nicht geantwortet: Vielleicht lädt er noch; sonst geben Sie ihm eine GPU, oder"
        " setzen Sie"
        " AEGIS_RERANK_HITS herab."
    ),
    "The reranker ended before it had answered: the next search starts it anew.": (
        "Der Reranker endete, bevor er geantwortet hatte: Die nächste Suche startet ihn neu."
    ),
    "The reranker returned scores that are no numbers.": "Der Reranker lieferte Bewertungen, die keine Zahlen sind.",
    "The reranker's answer has the wrong shape.": "Die Antwort des Rerankers hat die falsche Form.",
    "The reranker's weights cannot be loaded ({error}): check AEGIS_RERANKER_PATH.": (
        "Die Gewichte des Rerankers lassen sich nicht laden ({error}): Prüfen Sie AEGIS_RERANKER_PATH."
    ),
    "AEGIS_RERANKER_PATH is not a directory with a reranker's weights: {missing} missing.": (
        "AEGIS_RERANKER_PATH ist kein Ordner mit den Gewichten eines Rerankers: Es fehlt: {missing}."
    ),
    "AEGIS_RERANKER_PATH has no head that scores: an embedder is no reranker. Correct the path.": (
        "Unter AEGIS_RERANKER_PATH fehlt der Kopf, der bewertet: Ein Embedder ist kein Reranker. Berichtigen Sie den Pfad."
    ),
    "AEGIS_RERANKER_PATH has a classifier of several classes and not a reranker: correct the path.": (
        "Unter AEGIS_RERANKER_PATH ist ein Klassifikator mit mehreren Klassen und kein Reranker: Berichtigen Sie den Pfad."
    ),
    "This engine server has no reranker: set AEGIS_RERANKER_PATH there.": (
        "Dieser Dienste-Server hat keinen Reranker: Setzen Sie dort AEGIS_RERANKER_PATH."
    ),
    "AEGIS_RERANKER_PATH is set here and not for the engine server: set it there, and restart it.": (
        "AEGIS_RERANKER_PATH ist hier gesetzt und für den Dienste-Server nicht: Setzen Sie es dort, und starten Sie ihn neu."
    ),
}
