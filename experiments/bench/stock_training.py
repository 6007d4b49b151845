"""Training as a competent user writes it: the library's own Trainer on a tokenised data set.

Choices: transformers' Seq2SeqTrainer (T5) or Trainer (decoder-only) with their defaults (fused AdamW, random order), 32
rows of evaluation at once, the tokenizer called once over all rows before training. `dynamic` pads each batch to its
longest row (DataCollatorForSeq2Seq), `max_length` pads every row to the model's windows, as many tutorials do: 512
tokens of prompt, 256 of answer. A decoder-only row is prompt, answer and end token, with labels on the answer. bf16 on
a GPU that has it, fp32 on a CPU, which is the Trainer's default there. Threads: torch's default, all cores.
"""

from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    Trainer,
    TrainingArguments,
)

SOURCE, TARGET = 512, 256  # tokens, where rows are padded to them; longer ones are cut there in either case


def load(folder: Path) -> tuple[Any, Any]:
    """(model, tokenizer) of a folder in the hub's layout."""
    kind = AutoModelForSeq2SeqLM if AutoConfig.from_pretrained(folder).is_encoder_decoder else AutoModelForCausalLM
    return kind.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def tokenised(pairs: list[tuple[str, str]], model: Any, tokenizer: Any, padding: str) -> Dataset:
    """Rows of (prompt, answer) as a data set for the Trainer."""
    sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
    whole: dict[str, Any] = {"padding": "max_length"} if padding == "max_length" else {}
    if model.config.is_encoder_decoder:
        rows = dict(tokenizer(sources, max_length=SOURCE, truncation=True, **whole))
        labels = tokenizer(text_target=targets, max_length=TARGET, truncation=True, **whole).input_ids
        rows["labels"] = [[-100 if token == tokenizer.pad_token_id else token for token in row] for row in labels]
        return Dataset.from_dict(rows)
    prompts = tokenizer([f"{source}\n" for source in sources], add_special_tokens=False).input_ids
    answers = tokenizer(targets, add_special_tokens=False).input_ids
    made = []
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = [*prompt[:SOURCE], *answer[: TARGET - 1], tokenizer.eos_token_id]
        gap = SOURCE + TARGET - len(ids) if whole else 0
        made.append(
            {
                "input_ids": ids + [tokenizer.pad_token_id] * gap,
                "attention_mask": [1] * len(ids) + [0] * gap,
                "labels": [-100] * len(prompt[:SOURCE]) + ids[len(prompt[:SOURCE]) :] + [-100] * gap,
            }
        )
    return Dataset.from_list(made)


def trainer(
    folder: Path,
    train: list[tuple[str, str]],
    evaluation: list[tuple[str, str]],
    out: Path,
    padding: str = "dynamic",
    **arguments: Any,
) -> Any:
    """The library's Trainer over rows of (prompt, answer)."""
    model, tokenizer = load(folder)
    encoder = model.config.is_encoder_decoder
    kind, given = (Seq2SeqTrainer, Seq2SeqTrainingArguments) if encoder else (Trainer, TrainingArguments)
    return kind(
        model=model,
        args=given(output_dir=str(out), per_device_eval_batch_size=32, disable_tqdm=True, **arguments),
        train_dataset=tokenised(train, model, tokenizer, padding),
        eval_dataset=tokenised(evaluation, model, tokenizer, padding),
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model if encoder else None),
    )
