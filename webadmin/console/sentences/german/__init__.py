"""English templates -> German ones, by area.

A field is `{name}`, whose value is carried over as it is, or says what else it may be: `{name:said}` a sentence or phrase,
`{name:word}` a state, stage or part, `{name:listed}` phrases between commas.
"""

from __future__ import annotations

from typing import Final

from webadmin.console.sentences.german.asking import ASKING
from webadmin.console.sentences.german.dagster import DAGSTER
from webadmin.console.sentences.german.documents import DOCUMENTS
from webadmin.console.sentences.german.engines import ENGINES
from webadmin.console.sentences.german.files import FILES
from webadmin.console.sentences.german.languages import LANGUAGES
from webadmin.console.sentences.german.llm import LLM
from webadmin.console.sentences.german.parsing import PARSING
from webadmin.console.sentences.german.phrases import PHRASES
from webadmin.console.sentences.german.stack import STACK
from webadmin.console.sentences.german.stores import STORES

SENTENCES: Final[dict[str, str]] = {
    **FILES,
    **PARSING,
    **ENGINES,
    **LLM,
    **STORES,
    **DOCUMENTS,
    **ASKING,
    **DAGSTER,
    **STACK,
}
PARTS: Final[dict[str, str]] = {**PHRASES, **LANGUAGES}
