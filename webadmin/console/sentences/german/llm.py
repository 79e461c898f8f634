"""What goes wrong with language models and their servers."""

from __future__ import annotations

from typing import Final

LLM: Final = {
    "{server:said} cannot be reached: start it or correct {setting}.": (
        "{server} ist nicht erreichbar: Starten Sie es, oder berichtigen Sie {setting}."
    ),
    "{server:said} cannot be reached through its proxy (HTTP {status}): start it.": (
        "{server} ist über seinen Proxy nicht erreichbar (HTTP {status}): Starten Sie es."
    ),
    "{server:said} gave no answer within {seconds} seconds; the request was cancelled.": (
        "{server} hat binnen {seconds} Sekunden nicht geantwortet; die Anfrage wurde abgebrochen."
    ),
    "{server:said} did not begin to answer within {seconds} seconds, nor made progress with another request; the request was"
    " cancelled (AEGIS_LLM_FIRST_TOKEN_TIMEOUT).": (
        "{server} hat binnen {seconds} Sekunden keine Antwort begonnen und ist auch mit keiner anderen Anfrage vorangekommen; die"
        " Anfrage wurde abgebrochen (AEGIS_LLM_FIRST_TOKEN_TIMEOUT)."
    ),
    "{server:said} stopped in the middle of an answer for {seconds} seconds; the request was cancelled (AEGIS_LLM_TOKEN_GAP).": (
        "{server} ist mitten in einer Antwort {seconds} Sekunden stehen geblieben; die Anfrage wurde abgebrochen"
        " (AEGIS_LLM_TOKEN_GAP)."
    ),
    "{server:said} did not end its answer within {seconds} seconds of the first token; the request was cancelled"
    " (AEGIS_OLLAMA_TIMEOUT).": (
        "{server} hat seine Antwort binnen {seconds} Sekunden nach dem ersten Token nicht beendet; die Anfrage wurde abgebrochen"
        " (AEGIS_OLLAMA_TIMEOUT)."
    ),
    "{server:said} broke the connection off before its answer was whole.": (
        "{server} hat die Verbindung beendet, bevor die Antwort vollständig war."
    ),
    "{model:said} repeated itself and did not end its answer.": "{model} hat sich wiederholt und seine Antwort nicht beendet.",
    "{server:said} is overloaded (HTTP {status}).": "{server} ist überlastet (HTTP {status}).",
    "{server:said} does not have the model {model}: run `ollama pull {same}`.": (
        "{server} hat das Modell {model} nicht: Führen Sie `ollama pull {same}` aus."
    ),
    "{server:said} does not have the model {model}: correct {setting:said}.": (
        "{server} hat das Modell {model} nicht: Berichtigen Sie {setting}."
    ),
    "{server:said} does not have the model {model}: set {setting:said} to one that it has ({names}).": (
        "{server} hat das Modell {model} nicht: Wählen Sie eines, das es dort gibt ({setting}; vorhanden: {names})."
    ),
    "{server:said} does not say how long the context of {model} is: set AEGIS_LLM_CONTEXT to its number of tokens.": (
        "{server} sagt nicht, wie lang der Kontext von {model} ist: Setzen Sie AEGIS_LLM_CONTEXT auf die Zahl seiner Tokens."
    ),
    "{server:said} refuses access (HTTP {status}): correct {setting}.": (
        "{server} verweigert den Zugriff (HTTP {status}): Berichtigen Sie {setting}."
    ),
    "{server:said} refuses every way of asking that is known.": "{server} lehnt jede bekannte Art der Anfrage ab.",
    "{server:said} refuses more requests because the account is used up: top it up or change AEGIS_LLM_URL.": (
        "{server} nimmt keine Anfragen mehr an, weil das Guthaben aufgebraucht ist: Laden Sie es auf, oder ändern Sie"
        " AEGIS_LLM_URL."
    ),
    "{setting} is not an http address: {address}.": "{setting} ist keine http-Adresse: {address}.",
    "AEGIS_OLLAMA_URL is empty: set it to the address of an Ollama server.": (
        "AEGIS_OLLAMA_URL ist leer: Setzen Sie es auf die Adresse eines Ollama-Servers."
    ),
    "AEGIS_LLM_URL is empty: set it to the address of an OpenAI-compatible server.": (
        "AEGIS_LLM_URL ist leer: Setzen Sie es auf die Adresse eines OpenAI-kompatiblen Servers."
    ),
    "{setting:said} is empty: set it to a model that the Ollama server has.": (
        "{setting} ist leer: Setzen Sie es auf ein Modell, das der Ollama-Server hat."
    ),
    "{setting:said} is empty: set it to a model that the language model's server has.": (
        "{setting} ist leer: Setzen Sie es auf ein Modell, das der Server des Sprachmodells hat."
    ),
    "AEGIS_OLLAMA_URL and AEGIS_LLM_URL are both set: set AEGIS_EXTRACTOR to ollama or openai, which says whose language model is"
    " used.": (
        "AEGIS_OLLAMA_URL und AEGIS_LLM_URL sind beide gesetzt: Setzen Sie AEGIS_EXTRACTOR auf ollama oder openai; das bestimmt,"
        " wessen Sprachmodell benutzt wird."
    ),
    "AEGIS_LLM_API_KEY would go to {address} unencrypted: use an https address, or one in your own network.": (
        "AEGIS_LLM_API_KEY ginge unverschlüsselt an {address}: Nehmen Sie eine https-Adresse oder eine im eigenen Netz."
    ),
    "AEGIS_LLM_API_KEY has a character that no key has, such as a blank: copy it anew.": (
        "AEGIS_LLM_API_KEY enthält ein Zeichen, das in keinem Schlüssel vorkommt, etwa ein Leerzeichen: Kopieren Sie ihn neu."
    ),
    "The language model has had the {limit} tokens of this month (AEGIS_LLM_MONTHLY_TOKENS): raise the limit, or wait for {day}"
    " (UTC), when the count starts anew.": (
        "Das Sprachmodell hat die {limit} Tokens dieses Monats verbraucht (AEGIS_LLM_MONTHLY_TOKENS): Erhöhen Sie die Grenze, oder"
        " warten Sie bis zum {day} (UTC), wenn die Zählung neu beginnt."
    ),
    "What answers at {address} does not speak Ollama's protocol; check {setting}.": (
        "Was unter {address} antwortet, spricht nicht das Protokoll von Ollama; prüfen Sie {setting}."
    ),
    "What answers at {address} does not speak OpenAI's protocol; check {setting}.": (
        "Was unter {address} antwortet, spricht nicht das Protokoll von OpenAI; prüfen Sie {setting}."
    ),
    "What answers at {address} is not {kind:said} (HTTP {status}): correct {setting}.": (
        "Was unter {address} antwortet, ist kein {kind} (HTTP {status}): Berichtigen Sie {setting}."
    ),
    "{server:said} could not be asked ({error}).": "{server} konnte nicht gefragt werden ({error}).",
    "{server:said} failed on the request to {model} (HTTP {status}).": (
        "{server} scheiterte an der Anfrage an {model} (HTTP {status})."
    ),
    "{server:said} failed in the middle of an answer of {model}.": "{server} scheiterte mitten in einer Antwort von {model}.",
    "{server:said} refused the request to {model} (HTTP {status}): {words}": (
        "{server} hat die Anfrage an {model} abgelehnt (HTTP {status}): {words}"
    ),
    "{server:said} sent more than {limit} MB as one answer, which was not read to its end.": (
        "{server} hat mehr als {limit} MB als eine Antwort gesandt, die nicht zu Ende gelesen wurde."
    ),
    "The model {model} cannot do {capability}: set {setting:said} to one that can.": (
        "Das Modell {model} beherrscht {capability} nicht: Wählen Sie eines, das dies beherrscht ({setting})."
    ),
    "The model {model} has a context of {size} tokens: AEGIS_OLLAMA_NUM_CTX ({wanted}) is more.": (
        "Das Modell {model} hat einen Kontext von {size} Tokens: AEGIS_OLLAMA_NUM_CTX ({wanted}) ist mehr."
    ),
    "The model {model} has a context of {size} tokens: AEGIS_LLM_CONTEXT ({wanted}) is more.": (
        "Das Modell {model} hat einen Kontext von {size} Tokens: AEGIS_LLM_CONTEXT ({wanted}) ist mehr."
    ),
    "The context of {model} ({context} tokens, {setting}) leaves {room} tokens for text beside the prompt and {other} ({answer}):"
    " make it {least} or more.": (
        "Der Kontext von {model} ({context} Tokens, {setting}) lässt neben dem Prompt und {other} ({answer}) nur {room} Tokens für"
        " Text übrig: Er sollte mindestens {least} haben."
    ),
    "The text is {times} times as long as the model's context allows.": (
        "Der Text ist {times}-mal so lang, wie es der Kontext des Modells erlaubt."
    ),
    "The text is longer than the {size} tokens of {model}'s context: raise {setting}.": (
        "Der Text ist länger als der Kontext von {model} mit {size} Tokens: Erhöhen Sie {setting}."
    ),
    "The text is longer than {model}'s context: raise {setting}.": (
        "Der Text ist länger als der Kontext von {model}: Erhöhen Sie {setting}."
    ),
    "The text did not fit into the {size} tokens of {model}'s context and was cut: raise AEGIS_OLLAMA_NUM_CTX.": (
        "Der Text passte nicht in den Kontext von {model} mit {size} Tokens und wurde abgeschnitten: Erhöhen Sie"
        " AEGIS_OLLAMA_NUM_CTX."
    ),
    "{model} filled its {limit} tokens without ending its answer; a larger {setting} may help.": (
        "{model} hat seine {limit} Tokens verbraucht, ohne die Antwort zu beenden; ein größeres {setting} kann helfen."
    ),
    "{model} answered without finishing.": "{model} hat geantwortet, ohne fertig zu werden.",
    "{model} gave an empty answer.": "{model} gab eine leere Antwort.",
    "{model} gave an answer that is {looks:said}.": "{model} gab eine unbrauchbare Antwort: {looks}.",
    "{model} gave JSON of another shape than asked for.": "{model} gab JSON von anderer Form als verlangt.",
}
