"""A checkpoint of GLiNER2's architecture that knows four names, trained in a few seconds until it does.

It finds NAMES, of one word, whatever type it is asked for, and nothing else: a test of a name's place fails where the model is not
asked. `trained=False` leaves the weights random.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from tests.doubles.tiny_bge_m3 import HIDDEN, write_tokenizer

NAMES: Final = ("Alice", "Bob", "Paris", "Rome")
FILLER: Final = ["the", "mesh", "is", "generated", "from", "a", "company", "and", "sold", "it", "ten", "years", "later"]
LEARNED: Final = 0.2  # summed over a batch
MOST_STEPS: Final = 400


def make(directory: Path, architecture: Literal["span", "boundary"] = "span", *, seed: int = 7, trained: bool = True) -> Path:
    """Write config.json, encoder_config, tokenizer and model.safetensors; return the directory."""
    import torch
    from gliner2 import AutoExtractor, ExtractorConfig
    from transformers import AutoTokenizer, DebertaV2Config

    directory.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    write_tokenizer(directory)
    tokenizer = AutoTokenizer.from_pretrained(str(directory))
    tokenizer.add_tokens([name.lower() for name in NAMES])
    encoder = DebertaV2Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=HIDDEN,
        relative_attention=True,
        position_buckets=32,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        position_biased_input=False,
        type_vocab_size=0,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    width = {"max_width": 1} if architecture == "span" else {}
    config = ExtractorConfig(model_name="tiny", architecture=architecture, **width)
    model = AutoExtractor.from_config(config, encoder_config=encoder, tokenizer=tokenizer)
    if trained:
        _train(model, random.Random(seed))
    model.save_pretrained(str(directory))
    return directory


def _train(model: Any, chance: random.Random) -> None:
    import torch
    from gliner2.training.trainer import ExtractorCollator

    _tell_apart(model)
    model.train()
    model.processor.change_mode(True)
    collate = ExtractorCollator(model.processor, is_training=True, architecture=model.architecture)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    good = 0
    for _ in range(MOST_STEPS):
        loss = model(collate(list(_examples(chance, 8))))["total_loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        good = good + 1 if float(loss.detach()) < LEARNED else 0
        if good == 3:
            return
    raise AssertionError("The tiny checkpoint did not learn its four names.")


def _tell_apart(model: Any) -> None:
    """Give the names one direction: what is left to learn takes seconds."""
    import torch

    table = model.encoder.get_input_embeddings().weight
    with torch.no_grad():
        for name in NAMES:
            row = table[model.processor.tokenizer.convert_tokens_to_ids(name.lower())]
            row.zero_()
            row[:4] = 3.0


def _examples(chance: random.Random, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for _ in range(number):
        words = [chance.choice(FILLER) for _ in range(chance.randint(2, 8))]
        names = chance.sample(NAMES, chance.randint(1, 2))
        for name in names:
            words.insert(chance.randint(0, len(words)), name)
        labels = chance.sample(FILLER, chance.randint(1, 3))
        yield f"{' '.join(words)}.", {"entities": dict.fromkeys(labels, names), "entity_descriptions": {}}
