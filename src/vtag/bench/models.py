"""Models with random weights: as fast as trained ones of the same shape, with worthless answers."""

from __future__ import annotations

SHAPES: dict[str, dict[str, int]] = {
    "base": {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
    "minilm": {"num_hidden_layers": 6, "hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536},
    "tiny": {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512},
}


def random_weights(model: str, shape: str, folder: str) -> str:
    """Save a BERT of that shape, with the tokenizer and the labels of `model`, to `folder`."""
    from vtag.system import environment

    environment.set_before_torch()
    from vtag.model.plan import make_plan

    plan = make_plan(model)
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

    tokenizer = AutoTokenizer.from_pretrained(plan.checkpoint.folder)
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # OpenMP workers of this thread would compete with the engine's
    config = BertConfig(
        **SHAPES[shape],
        vocab_size=len(tokenizer),
        id2label=plan.id2label,
        label2id={label: i for i, label in plan.id2label.items()},
    )
    with environment.quiet():
        BertForTokenClassification(config).save_pretrained(folder)
    torch.set_num_threads(threads)
    tokenizer.save_pretrained(folder)
    return folder
