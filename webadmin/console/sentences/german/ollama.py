"""What goes wrong with Ollama and its models."""

from __future__ import annotations

from typing import Final

OLLAMA: Final = {
    "Ollama at {address} cannot be reached: start it or correct {setting}.": (
        "Ollama unter {address} ist nicht erreichbar: Starten Sie es, oder berichtigen Sie {setting}."
    ),
    "Ollama at {address} gave no answer within {seconds} seconds; the request was cancelled.": (
        "Ollama unter {address} hat binnen {seconds} Sekunden nicht geantwortet; die Anfrage wurde abgebrochen."
    ),
    "Ollama at {address} broke the connection off before its answer was whole.": (
        "Ollama unter {address} hat die Verbindung beendet, bevor seine Antwort vollständig war."
    ),
    "Ollama at {address} is overloaded (HTTP {status}).": "Ollama unter {address} ist überlastet (HTTP {status}).",
    "Ollama at {address} does not have the model {model}: run `ollama pull {same}`.": (
        "Ollama unter {address} hat das Modell {model} nicht: Führen Sie `ollama pull {same}` aus."
    ),
    "Ollama at {address} refuses access (HTTP {status}): correct {setting}.": (
        "Ollama unter {address} verweigert den Zugriff (HTTP {status}): Berichtigen Sie {setting}."
    ),
    "{setting} is not an http address: {address}.": "{setting} ist keine http-Adresse: {address}.",
    "{setting} is empty: set it to the address of an Ollama server.": (
        "{setting} ist leer: Setzen Sie es auf die Adresse eines Ollama-Servers."
    ),
    "What answers at {address} does not speak Ollama's protocol; check {setting}.": (
        "Was unter {address} antwortet, spricht nicht das Protokoll von Ollama; prüfen Sie {setting}."
    ),
    "What answers at {address} is not an Ollama server (HTTP {status}): correct {setting}.": (
        "Was unter {address} antwortet, ist kein Ollama-Server (HTTP {status}): Berichtigen Sie {setting}."
    ),
    "The request to Ollama failed ({error}).": "Die Anfrage an Ollama ist fehlgeschlagen ({error}).",
    "Ollama failed on the request to {model} (HTTP {status}).": "Ollama scheiterte an der Anfrage an {model} (HTTP {status}).",
    "Ollama refused the request to {model} (HTTP {status}): {words}": (
        "Ollama hat die Anfrage an {model} abgelehnt (HTTP {status}): {words}"
    ),
    "Ollama's answer passed {limit} MB and was not read to its end.": (
        "Die Antwort von Ollama war länger als {limit} MB und wurde nicht zu Ende gelesen."
    ),
    "AEGIS_VISION_MODEL is empty: set it to a vision model that the Ollama server has.": (
        "AEGIS_VISION_MODEL ist leer: Setzen Sie es auf ein Bildmodell, das der Ollama-Server hat."
    ),
    "The model {model} cannot do {capability}: set {setting:said} to one that can.": (
        "Das Modell {model} beherrscht {capability} nicht: Wählen Sie eines, das dies beherrscht ({setting})."
    ),
    "The model {model} has a context of {size} tokens: AEGIS_OLLAMA_NUM_CTX ({wanted}) is more.": (
        "Das Modell {model} hat einen Kontext von {size} Tokens: AEGIS_OLLAMA_NUM_CTX ({wanted}) ist mehr."
    ),
    "AEGIS_OLLAMA_NUM_CTX ({context}) leaves {room} tokens for text beside the prompt and AEGIS_OLLAMA_NUM_PREDICT ({answer}):"
    " set it to {least} or more.": (
        "AEGIS_OLLAMA_NUM_CTX ({context}) lässt neben dem Prompt und AEGIS_OLLAMA_NUM_PREDICT ({answer}) nur {room} Tokens für Text"
        " übrig: Setzen Sie es auf mindestens {least}."
    ),
    "The text is {times} times as long as the model's context allows.": (
        "Der Text ist {times}-mal so lang, wie es der Kontext des Modells erlaubt."
    ),
    "The text is longer than the {size} tokens of {model}'s context: raise AEGIS_OLLAMA_NUM_CTX.": (
        "Der Text ist länger als der Kontext von {model} mit {size} Tokens: Erhöhen Sie AEGIS_OLLAMA_NUM_CTX."
    ),
    "The text did not fit into the {size} tokens of {model}'s context and was cut: raise AEGIS_OLLAMA_NUM_CTX.": (
        "Der Text passte nicht in den Kontext von {model} mit {size} Tokens und wurde abgeschnitten: Erhöhen Sie"
        " AEGIS_OLLAMA_NUM_CTX."
    ),
    "{model} filled its {limit} tokens without ending its answer; a larger AEGIS_OLLAMA_NUM_PREDICT may help.": (
        "{model} hat seine {limit} Tokens verbraucht, ohne die Antwort zu beenden; ein größeres AEGIS_OLLAMA_NUM_PREDICT kann"
        " helfen."
    ),
    "{model} answered without finishing.": "{model} hat geantwortet, ohne fertig zu werden.",
    "{model} gave an empty answer.": "{model} gab eine leere Antwort.",
    "{model} gave an answer that is {looks:said}.": "{model} gab eine unbrauchbare Antwort: {looks}.",
    "{model} gave JSON of another shape than asked for.": "{model} gab JSON von anderer Form als verlangt.",
}
