"""Which layers get adapters, how many parameters that is, and what cannot be meant."""

import json

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from macsql.config import LoraConfig, ModelConfig
from macsql.errors import UserError
from macsql.models import families, lora

SIZES = {"vocab_size": 300, "d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2}


def llama() -> LlamaForCausalLM:
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=100, **shape))


def gpt2() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=100, n_embd=32, n_layer=2, n_head=2, n_positions=64))


@pytest.mark.parametrize("network", [llama, gpt2])
@pytest.mark.parametrize("targets", ["all-linear", None])
def test_what_is_counted_is_what_is_trained(network, targets):
    made = network()
    names = [name for name, _ in made.named_modules() if name.endswith(("v_proj", "c_attn"))]
    config = LoraConfig(r=3, targets=targets or [names[0].rpartition(".")[2]])
    expected = lora.trained(made, config)
    trained = sum(weight.numel() for weight in lora.attach(made, config).parameters() if weight.requires_grad)
    assert trained == expected > 0
    assert made.get_output_embeddings().weight.requires_grad is False


def test_new_tokens_are_learnt_beside_the_adapters():
    model = lora.attach(llama(), LoraConfig(r=3), [98, 99])
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert any("trainable_tokens" in name for name in trained)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"r": -1}, r"model\.lora\.r=-1: write the adapters' rank"),
        ({"alpha": 16.0}, r"model\.lora is given without r: write model\.lora\.r=16"),
        ({"merge": False}, "is given without r"),
        ({"r": 4, "alpha": 0.0}, r"model\.lora\.alpha=0: a number above 0 is needed"),
        ({"r": 4, "alpha": float("nan")}, r"model\.lora\.alpha=nan"),
        ({"r": 4, "targets": []}, r"model\.lora\.targets=\[\]: write all-linear, or names of layers"),
        ({"r": 4, "targets": [3]}, r"model\.lora\.targets=\[3\]"),
        ({"r": 4, "targets": None}, r"model\.lora\.targets=null"),
        (
            {"r": 4, "targets": ["q", "q_proj"]},
            r"no linear layer called q_proj: its layers are q, k, v, o, wi, wo; all-linear means all of them",
        ),
        ({"r": 4, "targets": "lm_head"}, "no linear layer called lm_head"),
    ],
)
def test_what_cannot_be_meant_is_said_before_any_cost(config, words):
    with pytest.raises(UserError, match=words) as error:
        families.check(ModelConfig(name="pocket", pocket=SIZES, lora=LoraConfig(**config)))
    assert "\n" not in str(error.value)


def test_the_layers_of_a_folder_are_known_without_its_weights(tmp_path):
    made = llama()
    made.config.save_pretrained(tmp_path)
    words = Tokenizer(models.WordLevel({"<eos>": 0, "a": 1}, unk_token="a"))
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_text("")
    asked = LoraConfig(r=2, targets=["c_attn", "q_proj"])
    with pytest.raises(UserError, match=r"called c_attn: its layers are q_proj, k_proj, v_proj, o_proj, gate_proj"):
        families.check(ModelConfig(name="own", path=str(tmp_path), lora=asked))
    asked.targets = ["q_proj"]
    assert families.trained(ModelConfig(name="own", path=str(tmp_path), lora=asked)) == 2 * 2 * (32 + 32)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "llama"


def test_adapters_change_nothing_until_they_are_trained():
    made = llama().eval()
    ids = torch.arange(5)[None]
    before = made(ids).logits
    after = lora.attach(made, LoraConfig(r=3)).eval()(input_ids=ids).logits
    torch.testing.assert_close(after, before, rtol=0, atol=0)
