"""A checkpoint of BGE-M3's architecture with random weights that loads in a second: real code paths, meaningless vectors."""

from __future__ import annotations

import json
from pathlib import Path

HIDDEN = 32
CORPUS = [
    "The mesh is generated from the geometry by the finite element solver.",
    "Alice founded a company in Paris and sold it ten years later.",
    "A document is cut into chunks, and each chunk is embedded and searched.",
    "Le maillage est construit à partir de la géométrie.",
    "网格由几何生成。",
]


def make(directory: Path) -> Path:
    """Writes config.json, tokenizer, model.safetensors, sparse_linear.pt and colbert_linear.pt. Returns the directory."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    directory.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    size = write_tokenizer(directory)
    config = XLMRobertaConfig(
        vocab_size=size,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=514,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    XLMRobertaModel(config).save_pretrained(directory)
    torch.save(torch.nn.Linear(HIDDEN, 1).state_dict(), directory / "sparse_linear.pt")
    torch.save(torch.nn.Linear(HIDDEN, HIDDEN).state_dict(), directory / "colbert_linear.pt")
    return directory


def write_tokenizer(directory: Path) -> int:
    """A unigram tokenizer as XLM-RoBERTa's, trained on a few sentences. Returns the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=specials, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 512,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    return int(tokenizer.get_vocab_size())
