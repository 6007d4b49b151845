"""A decoder-only checkpoint goes the same way as any other: trained, stopped, resumed, asked, judged."""

import dataclasses

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trials import StopAt, folder_of, outcome, with_trainer

from macsql.models.families import load
from macsql.train import run_folder
from macsql.trials.stopping import Interrupted

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())


@pytest.fixture(params=["gpt2", "llama"])
def checkpoint(request, tmp_path):
    """A folder in the hub's layout: random weights, a tokenizer of single bytes."""
    vocabulary = {letter: number for number, letter in enumerate(["<|end|>", *LETTERS])}
    sketch = Tokenizer(models.BPE(vocabulary, []))
    sketch.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    sketch.decoder = decoders.ByteLevel()
    folder = tmp_path / request.param
    PreTrainedTokenizerFast(tokenizer_object=sketch, eos_token="<|end|>").save_pretrained(folder)
    torch.manual_seed(1)
    words = {"vocab_size": len(vocabulary), "bos_token_id": None, "eos_token_id": 0}
    if request.param == "gpt2":
        network = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=900, **words))
    else:
        shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        network = LlamaForCausalLM(LlamaConfig(max_position_embeddings=900, **shape, **words))
    network.save_pretrained(folder)
    return folder


@pytest.fixture
def asked(tiny, checkpoint):
    """The tiny trial with this checkpoint, ten steps of it."""
    model = dataclasses.replace(
        tiny.model, name="own", path=str(checkpoint), pocket={}, max_source_length=600, max_target_length=200
    )
    codec = dataclasses.replace(tiny.codec, name="verbatim")
    return with_trainer(dataclasses.replace(tiny, model=model, codec=codec), max_steps=10)


def test_it_is_trained_and_asked(asked, tmp_path):
    folder = folder_of(asked, tmp_path / "trial")
    result = run_folder(folder)
    assert (result.status, result.reason, result.steps) == ("FINISHED", "", 10)
    assert 0 < result.metrics["train_loss"] < 8
    assert result.metrics["selector/count"] == 2
    model = load(folder / "model")
    assert model.card.family == "decoder-only"


def test_a_stopped_one_resumes_to_the_bit(asked, tmp_path):
    whole, stopped = folder_of(asked, tmp_path / "whole"), folder_of(asked, tmp_path / "stopped")
    assert run_folder(whole).status == "FINISHED"
    stop = StopAt(4)
    with pytest.raises(Interrupted):
        run_folder(stopped, stop=stop, tell=stop.tell)
    assert run_folder(stopped).status == "FINISHED"
    assert outcome(stopped) == outcome(whole)
