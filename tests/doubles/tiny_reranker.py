"""A checkpoint of bge-reranker's architecture, made by hand so that its order is known: the larger a pair's share of one word, the
higher its score. A test of the order fails where the model is not asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.doubles.tiny_bge_m3 import HIDDEN, write_tokenizer

WORD = "mesh"


def make(directory: Path, labels: int = 1) -> Path:
    """Write config.json, tokenizer and model.safetensors; return the directory. labels: more than 1 make it no reranker."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    directory.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(11)
    size = write_tokenizer(directory)
    config = XLMRobertaConfig(
        vocab_size=size,
        hidden_size=HIDDEN,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=514,
        type_vocab_size=1,
        num_labels=labels,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    model = XLMRobertaForSequenceClassification(config)
    with torch.no_grad():
        _count_one_word(model, directory)
    model.save_pretrained(directory)
    return directory


def _count_one_word(model: Any, directory: Path) -> None:
    """The first token, which alone is classified, attends to all tokens alike, so dimension 0 of it is the mean of theirs."""
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    embeddings, layer = model.roberta.embeddings, model.roberta.encoder.layer[0]
    for table in (embeddings.position_embeddings, embeddings.token_type_embeddings):
        table.weight.zero_()
    embeddings.word_embeddings.weight[:, 0] = 0.0
    embeddings.word_embeddings.weight[tokenizer.encode(WORD, add_special_tokens=False).ids, 0] = 1.0
    identity = torch.eye(HIDDEN)
    for part in (layer.attention.self.query, layer.attention.self.key, layer.intermediate.dense, layer.output.dense):
        part.weight.zero_()
        part.bias.zero_()
    for part in (layer.attention.self.value, layer.attention.output.dense, model.classifier.dense):
        part.weight.copy_(identity)
        part.bias.zero_()
    model.classifier.out_proj.weight.zero_()
    model.classifier.out_proj.weight[:, 0] = 3.0
    model.classifier.out_proj.bias.zero_()
