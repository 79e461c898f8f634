"""Entities by a GLiNER2 checkpoint, in the engine server: any types, each told to the model by its name and definition.

Between spaCy and a language model: it knows a collection's own types, in the languages of its checkpoint, and gives no relations.
Of the packages of this family gliner2 alone takes the transformers that docling and FlagEmbedding run with.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from aegis_assets.engines.checkpoint import file_digests
from aegis_assets.engines.torch_device import prepare_device
from aegis_assets.engines.unspaced import UNSPACED
from aegis_assets.errors import Misconfigured
from aegis_assets.model.extraction import Extraction, Mention, Schema
from aegis_assets.model.ids import fingerprint
from aegis_assets.pipeline.extraction_prompt import TYPES, entity_types
from aegis_assets.settings import Settings

VERSION: Final = 1  # raise it when the rules here change what comes out
FILES: Final = ("config.json", "encoder_config/config.json", "tokenizer.json")
WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
MODEL_TYPE: Final = "extractor"  # GLiNER2's own, in its config.json
WINDOW_WORDS: Final = 256  # of one forward pass, about 400 tokens beside those of the types; a chunk has one or two windows
OVERLAP_WORDS: Final = 32  # longer than any name, so that each is whole in one of two windows
BATCH: Final = 8
LOAD_ERRORS: Final = (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, ImportError)


class _Span(NamedTuple):
    """A name that the model gives: its place in the text, and its score from 0 to 1."""

    score: float
    start: int
    end: int
    type: str


class _Window(NamedTuple):
    """A part of one text. text: its place among the texts. start, end: characters there."""

    text: int
    start: int
    end: int
    part: str


def checkpoint_path(chosen: Settings) -> Path:
    """Return the directory of the checkpoint. Raises Misconfigured, in one sentence, if it holds none that can be loaded."""
    if not chosen.gliner_path:
        raise Misconfigured(
            "AEGIS_EXTRACTOR is 'gliner' and AEGIS_GLINER_PATH is empty: set it to the directory of a GLiNER2 checkpoint."
        )
    path = Path(chosen.gliner_path)
    missing = [name for name in FILES if not (path / name).is_file()]
    if not any((path / name).is_file() for name in WEIGHTS):
        missing.append("model.safetensors or pytorch_model.bin")
    if missing:
        raise Misconfigured(f"AEGIS_GLINER_PATH is not a directory with a GLiNER2 checkpoint: {', '.join(missing)} missing.")
    configs = [_read_config(path / name) for name in FILES[:2]]
    if configs[0].get("model_type") != MODEL_TYPE:
        raise Misconfigured("AEGIS_GLINER_PATH has a model that is no GLiNER2 checkpoint: correct the path.")
    if any("auto_map" in config for config in configs):  # gliner2 would run it without asking
        raise Misconfigured("AEGIS_GLINER_PATH has a model with code of its own, which is not run: take another checkpoint.")
    return path


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


class GlinerExtractor:
    """A loaded checkpoint. Not thread-safe: one process, one caller."""

    def __init__(self, chosen: Settings) -> None:
        """Raises Misconfigured when path, package, weights or device are wrong."""
        path = checkpoint_path(chosen)
        self.name = f"gliner {path.name}"
        self._threshold = chosen.gliner_threshold
        self._model = _load(path, chosen.gliner_device or chosen.embedder_device)
        self._digests = file_digests(path, (*FILES, "tokenizer_config.json", *WEIGHTS))

    def fingerprint(self, schema: Schema) -> str:
        """Return what decides the result: the bytes of the checkpoint, the threshold, the rules here, and the types.

        The device is left out, as with the embedder: half precision moves a score by less than one per cent.
        """
        return fingerprint(
            engine="gliner",
            version=VERSION,
            files=self._digests,
            threshold=self._threshold,
            labels=sorted(_labels(schema).items()),
        )

    def extract_batch(self, texts: Sequence[str], schema: Schema) -> list[Extraction]:
        """Return one extraction per text, in order."""
        labels = {_label(kind): kind for kind in reversed(entity_types(schema)) if _label(kind)}
        spans: list[list[_Span]] = [[] for _ in texts]
        for splitter in ("whitespace", "char"):
            own = [place for place, text in enumerate(texts) if _splitter(text) == splitter]
            self._model.set_word_splitter(splitter)
            windows = [window for place in own for window in _windows(place, texts[place], splitter)]
            windows.sort(key=lambda window: len(window.part))  # so that batches need little padding
            for window, found in zip(windows, self._ask([window.part for window in windows], schema), strict=True):
                spans[window.text] += _placed(found, window, labels)
        return [
            Extraction(mentions=tuple(_mentions(text, _without_overlaps(found)))) for text, found in zip(texts, spans, strict=True)
        ]

    def _ask(self, parts: list[str], schema: Schema) -> list[dict[str, list[dict[str, Any]]]]:
        """Return the spans of each part by label."""
        if not parts:
            return []
        answers = self._model.batch_extract_entities(
            parts,
            _labels(schema),
            batch_size=BATCH,
            threshold=self._threshold,
            include_confidence=True,
            include_spans=True,
        )
        return [answer.get("entities") or {} for answer in answers]


def _load(path: Path, device: str) -> Any:
    try:
        from gliner2 import AutoExtractor
    except ImportError as error:
        raise Misconfigured("The package gliner2 is not installed: run `make install`.") from error
    prepare_device(device, "AEGIS_GLINER_DEVICE")
    try:
        with warnings.catch_warnings(action="ignore"):
            model = AutoExtractor.from_pretrained(str(path), map_location=device, quantize=device != "cpu")
    except LOAD_ERRORS as error:
        raise Misconfigured(f"GLiNER's checkpoint cannot be loaded ({type(error).__name__}): check AEGIS_GLINER_PATH.") from error
    return model.eval()


def _label(kind: str) -> str:
    """Return the type as the model was trained to read one: words in lower case."""
    return " ".join(kind.replace("_", " ").split()).lower()


def _labels(schema: Schema) -> dict[str, str]:
    """Return the types with their definitions; a collection's own types have none."""
    return {_label(kind): "" if schema.entity_types else TYPES[kind] for kind in entity_types(schema) if _label(kind)}


def _splitter(text: str) -> str:
    """Return gliner2's way to cut the text into words: by blanks, or by characters where most of it has none."""
    unspaced = sum(map(len, UNSPACED.findall(text)))
    return "char" if 2 * unspaced > sum(character.isalpha() for character in text) else "whitespace"


def _windows(place: int, text: str, splitter: str) -> Iterable[_Window]:
    from gliner2.inference.chunking import split_text_into_chunks

    if any(character.isalnum() for character in text):
        for chunk in split_text_into_chunks(text, WINDOW_WORDS, OVERLAP_WORDS, splitter):
            yield _Window(place, chunk.start_char, chunk.end_char, chunk.text)


def _placed(found: dict[str, list[dict[str, Any]]], window: _Window, labels: dict[str, str]) -> Iterable[_Span]:
    """Yield the spans of a window in the text. gliner2 puts a full stop behind a text without one, and finds names up to it."""
    for label, spans in found.items():
        for span in spans:
            start, end = window.start + int(span["start"]), min(window.start + int(span["end"]), window.end)
            if start < end:
                yield _Span(float(span["confidence"]), start, end, labels[label])


def _without_overlaps(spans: Iterable[_Span]) -> list[_Span]:
    """Return the surest of those that share a character, in the order of the text: a name has one type."""
    kept: list[_Span] = []
    for span in sorted(set(spans), key=lambda span: (-span.score, span.start, -span.end, span.type)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def _mentions(text: str, spans: Iterable[_Span]) -> Iterable[Mention]:
    for span in spans:
        name = " ".join(text[span.start : span.end].split())
        if any(character.isalnum() for character in name):
            confidence = min(1.0, max(0.0, round(span.score, 3)))
            yield Mention(name=name, type=span.type, start=span.start, end=span.end, confidence=confidence)
