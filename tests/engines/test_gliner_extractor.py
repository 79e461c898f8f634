"""The extractor by a GLiNER2 checkpoint: a tiny one that knows four names, in this process and in an engine server."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from aegis_assets.engines.client import EngineClient
from aegis_assets.engines.extractor_client import GLINER_VRAM_MB, MOST, ExtractorClient
from aegis_assets.engines.gliner_extractor import OVERLAP_WORDS, WINDOW_WORDS, GlinerExtractor
from aegis_assets.errors import Misconfigured
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.settings import Settings
from tests.doubles import tiny_bge_m3, tiny_gliner
from tests.engine_service import READY_SECONDS, start_engine_server, stop

TEXT = "Bob sold the mesh in Rome.\nAlice generated it"
THING = Schema(entity_types=("Named_Thing",))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gliner.make(tmp_path_factory.mktemp("gliner") / "tiny-gliner")


@pytest.fixture(scope="module")
def extractor(checkpoint: Path) -> GlinerExtractor:
    return GlinerExtractor(chosen(checkpoint))


def chosen(path: Path | str, **more: object) -> Settings:
    return Settings(extractor="gliner", gliner_path=str(path), **more)


def copied(checkpoint: Path, place: Path) -> Path:
    return Path(shutil.copytree(checkpoint, place / "copy"))


def names(extraction: Extraction) -> list[str]:
    return [mention.name for mention in extraction.mentions]


def test_names_stand_at_their_places(extractor: GlinerExtractor) -> None:
    (found,) = extractor.extract_batch([TEXT], THING)
    assert names(found) == ["Bob", "Rome", "Alice"]
    assert [TEXT[mention.start : mention.end] for mention in found.mentions] == names(found)
    assert (found.relations, found.skipped) == ((), None)


def test_texts_of_a_batch_keep_their_places(extractor: GlinerExtractor) -> None:
    texts = ["later it is sold in Paris", "", "the mesh", "...", "Alice " + "is generated from the mesh " * 40, "Bob"]
    assert [names(one) for one in extractor.extract_batch(texts, THING)] == [["Paris"], [], [], [], ["Alice"], ["Bob"]]


def test_a_name_at_the_end_of_a_text_ends_with_the_text(extractor: GlinerExtractor) -> None:
    """gliner2 puts a full stop behind it, and its spans may go as far."""
    (found,) = extractor.extract_batch(["the mesh is from Paris"], THING)
    assert [(mention.start, mention.end) for mention in found.mentions] == [(17, 22)]


def test_a_name_has_one_type_of_the_schema(extractor: GlinerExtractor) -> None:
    wanted = Schema(entity_types=("City", "Named_Thing", "Person"))
    (found,) = extractor.extract_batch([TEXT], wanted)
    assert names(found) == ["Bob", "Rome", "Alice"]
    assert {mention.type for mention in found.mentions} <= set(wanted.entity_types)


def test_without_types_of_its_own_a_collection_has_the_default_ones(extractor: GlinerExtractor) -> None:
    (found,) = extractor.extract_batch([TEXT], Schema())
    assert names(found) == ["Bob", "Rome", "Alice"]
    assert all(mention.type.isupper() for mention in found.mentions)


def test_a_long_text_is_read_in_windows_with_the_places_of_the_whole(extractor: GlinerExtractor) -> None:
    words = ["the", "mesh", "is", "generated", "from", "a", "company", "and", "sold", "it", "ten", "years", "later"] * 80
    first, second = WINDOW_WORDS, 2 * WINDOW_WORDS - OVERLAP_WORDS  # where windows end
    at = {0: "Alice", first - 1: "Bob", first: "Paris", second - OVERLAP_WORDS // 2: "Rome", second: "Bob", len(words) - 1: "Alice"}
    for place, name in at.items():
        words[place] = name
    text = "\n".join(words)
    (found,) = extractor.extract_batch([text], THING)
    assert names(found) == list(at.values())
    assert [text[: mention.start].count("\n") for mention in found.mentions] == list(at)


def test_a_text_without_blanks_is_read_by_its_characters(extractor: GlinerExtractor) -> None:
    (found,) = extractor.extract_batch(["网格由Alice生成，在Paris出售给一家公司。"], THING)
    assert names(found) == ["Alice", "Paris"]


def test_the_other_architecture_of_the_family_is_loaded_too(tmp_path: Path) -> None:
    """With random weights: what it finds is meaningless, and stands in the text."""
    path = tiny_gliner.make(tmp_path / "boundary", "boundary", trained=False)
    text = "Alice founded a company in Paris and sold it ten years later."
    extractor = GlinerExtractor(chosen(path, gliner_threshold=0.3))
    (found,) = extractor.extract_batch([text], THING)
    assert found.mentions
    assert all(mention.name == text[mention.start : mention.end] for mention in found.mentions)
    extractor._model.set_word_splitter("whitespace")
    plain = extractor._model.extract_entities(text, ["named thing"], 0.3, include_confidence=True)["entities"]["named thing"]
    scores = {span["text"]: pytest.approx(span["confidence"], abs=0.001) for span in plain if span["text"] != "."}
    assert {mention.name: mention.confidence for mention in found.mentions} == scores, "a mention's confidence is the model's"
    (surer,) = GlinerExtractor(chosen(path, gliner_threshold=0.999)).extract_batch([text], THING)
    assert surer.mentions == (), "no name has that score"


def test_the_fingerprint_is_of_checkpoint_types_and_threshold_and_not_of_the_path(
    extractor: GlinerExtractor, checkpoint: Path, tmp_path: Path
) -> None:
    same = copied(checkpoint, tmp_path)
    assert GlinerExtractor(chosen(same)).fingerprint(Schema()) == extractor.fingerprint(Schema())
    other = GlinerExtractor(chosen(tiny_gliner.make(tmp_path / "other", seed=8, trained=False)))
    stricter = GlinerExtractor(chosen(same, gliner_threshold=0.9))
    given = {one.fingerprint(Schema()) for one in (extractor, other, stricter)} | {extractor.fingerprint(THING)}
    assert len(given) == 4


# What is wrong is one sentence


def test_a_missing_path_says_what_to_set() -> None:
    with pytest.raises(Misconfigured, match="AEGIS_GLINER_PATH is empty"):
        GlinerExtractor(chosen(""))


@pytest.mark.parametrize("missing", ["config.json", "encoder_config/config.json", "tokenizer.json", "model.safetensors"])
def test_a_directory_without_a_checkpoint_says_what_is_missing(checkpoint: Path, tmp_path: Path, missing: str) -> None:
    path = copied(checkpoint, tmp_path)
    (path / missing).unlink()
    with pytest.raises(Misconfigured, match=rf"AEGIS_GLINER_PATH is not a directory with .*{missing}.* missing\.$"):
        GlinerExtractor(chosen(path))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "encoder_config/config.json"])
def test_a_damaged_file_is_a_sentence(checkpoint: Path, tmp_path: Path, name: str) -> None:
    path = copied(checkpoint, tmp_path)
    (path / name).write_bytes(b"junk")
    with pytest.raises(Misconfigured, match=r"GLiNER's checkpoint cannot be loaded \(\w+\): check AEGIS_GLINER_PATH\.$"):
        GlinerExtractor(chosen(path))


def test_weights_of_another_shape_are_a_sentence(checkpoint: Path, tmp_path: Path) -> None:
    path = copied(checkpoint, tmp_path)
    config = json.loads((path / "encoder_config/config.json").read_text())
    (path / "encoder_config/config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(Misconfigured, match="cannot be loaded"):
        GlinerExtractor(chosen(path))


def test_another_model_is_no_checkpoint_of_gliner(checkpoint: Path, tmp_path: Path) -> None:
    path = tiny_bge_m3.make(copied(checkpoint, tmp_path))
    with pytest.raises(Misconfigured, match="no GLiNER2 checkpoint"):
        GlinerExtractor(chosen(path))


@pytest.mark.parametrize("name", ["config.json", "encoder_config/config.json"])
def test_code_in_a_checkpoint_is_not_run(checkpoint: Path, tmp_path: Path, name: str) -> None:
    path = copied(checkpoint, tmp_path)
    config = json.loads((path / name).read_text())
    (path / name).write_text(json.dumps({**config, "auto_map": {"AutoModel": "code.Model"}}))
    (path / "code.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(Misconfigured, match="code of its own"):
        GlinerExtractor(chosen(path))


def test_a_missing_package_is_a_sentence(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gliner2", None)
    with pytest.raises(Misconfigured, match="The package gliner2 is not installed"):
        GlinerExtractor(chosen(checkpoint))


def test_a_device_that_is_not_there_is_a_sentence(checkpoint: Path) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_GLINER_DEVICE is 'cuda:9'"):
        GlinerExtractor(chosen(checkpoint, gliner_device="cuda:9"))


def test_video_memory_is_leased_for_a_gpu_a_share_for_each_text_of_a_request() -> None:
    engine = EngineClient("http://127.0.0.1:1")
    assert ExtractorClient.from_settings(chosen("/models/g"), engine).lease is None
    lease = ExtractorClient.from_settings(chosen("/models/g", gliner_device="cuda"), engine).lease
    assert lease == ("vram", GLINER_VRAM_MB // MOST)


# In the engine server


def test_an_engine_server_extracts_with_it_and_refuses_who_expects_another(checkpoint: Path, tmp_path: Path) -> None:
    env = {"AEGIS_EXTRACTOR": "gliner", "AEGIS_GLINER_PATH": str(checkpoint)}
    process, address, token = start_engine_server(tmp_path / "home", env)
    try:
        engine = EngineClient(address, token, patience=READY_SECONDS)
        client = ExtractorClient.from_settings(chosen(checkpoint), engine)
        found = asyncio.run(client.extract(TEXT, THING))
        assert names(found) == ["Bob", "Rome", "Alice"]
        assert engine.server_info().extractor == client.named(THING) == "gliner tiny-gliner"
        assert client.fingerprint(THING) != client.fingerprint(Schema())
        for ask in (lambda other: other.fingerprint(THING), lambda other: asyncio.run(other.check())):
            with pytest.raises(Misconfigured, match="AEGIS_EXTRACTOR is 'gliner' here or for the engine server"):
                ask(ExtractorClient(engine))
    finally:
        stop(process)


def test_an_engine_server_with_a_wrong_path_says_so_to_everyone_who_asks(tmp_path: Path) -> None:
    env = {"AEGIS_EXTRACTOR": "gliner", "AEGIS_GLINER_PATH": str(tmp_path / "nowhere")}
    process, address, token = start_engine_server(tmp_path / "home", env, wait=False)
    try:
        client = ExtractorClient.from_settings(chosen("nowhere"), EngineClient(address, token, patience=READY_SECONDS))
        with pytest.raises(Misconfigured, match="AEGIS_GLINER_PATH"):
            asyncio.run(client.check())
        assert client._engine.info().name == "all-minilm-l6-v2", "searches go on"
        assert "AEGIS_GLINER_PATH" in httpx.get(f"{address}/health", trust_env=False).json()["engines"]["extractor"]
    finally:
        stop(process)
