"""The built-in network: how its embeddings are drawn, and that a saved one answers as before."""

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from macsql.config import ModelConfig
from macsql.errors import UserError
from macsql.models import pocket

SIZES = {"vocab_size": 64, "d_model": 32, "d_ff": 64, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0}


class Tokens:
    """As much of a tokenizer as a network asks for."""

    pad_token_id, eos_token_id = 0, 1

    def __len__(self) -> int:
        return 64


def drawn(**more):
    torch.manual_seed(0)
    return pocket.network(ModelConfig(name="pocket", pocket={**SIZES, **more}), Tokens()).eval()


def test_small_embeddings_are_drawn_and_the_output_is_not_scaled_down():
    plain, small = drawn(), drawn(embedding_std=0.1)
    assert torch.equal(small.shared.weight, plain.shared.weight * 0.1)
    assert small.lm_head.weight is small.shared.weight
    hidden = torch.randn(1, 3, 32)
    tokens = {"decoder_input_ids": torch.tensor([[0, 5, 9]]), "encoder_outputs": (hidden,)}
    last = small.decoder(input_ids=tokens["decoder_input_ids"], encoder_hidden_states=hidden).last_hidden_state
    assert torch.allclose(small(**tokens).logits, last @ small.shared.weight.T, atol=1e-6)


def test_a_saved_one_answers_as_before(tmp_path):
    small = drawn(embedding_std=0.1)
    small.save_pretrained(tmp_path)
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    batch = {"input_ids": torch.tensor([[7, 8, 1]]), "decoder_input_ids": torch.tensor([[0, 5, 9]])}
    assert torch.equal(loaded(**batch).logits, small(**batch).logits)


@pytest.mark.parametrize("value", [0, -0.1, "small"])
def test_a_deviation_is_a_positive_number(value):
    with pytest.raises(UserError, match=r"model.pocket.embedding_std=.*: a number above 0 is needed"):
        pocket.check(ModelConfig(name="pocket", pocket={**SIZES, "embedding_std": value}))


def looks_at(prompt: torch.Tensor, written: torch.Tensor, **more) -> torch.Tensor:
    """The place of the prompt that the decoder's first head looks at most, behind each row of what was written."""
    made = drawn(**SIZES | {"d_model": 128, "num_heads": 4}, embedding_std=0.1, **more)
    made.set_attn_implementation("eager")
    with torch.no_grad():
        out = made(input_ids=prompt.expand(len(written), -1), decoder_input_ids=written, output_attentions=True)
    return out.cross_attentions[0][:, 0, -1].argmax(-1)


def test_copying_heads_look_behind_what_was_just_written():
    torch.manual_seed(1)
    prompt, places = torch.randperm(60)[:40] + 4, torch.arange(5, 35)
    written = torch.stack([torch.zeros_like(places), prompt[places - 1], prompt[places]], dim=1)  # behind the start
    assert (looks_at(prompt, written, copying_heads=True) == places + 1).float().mean() > 0.8
    assert (looks_at(prompt, written) == places + 1).float().mean() < 0.3


def test_copying_heads_tell_places_apart_that_stand_behind_the_same_mark():
    torch.manual_seed(1)
    mark, words = 4, torch.randperm(58)[:40] + 5
    prompt = torch.stack([words[::2], torch.full((20,), mark), words[1::2]], dim=1).flatten()  # a _ b  c _ d  e _ f ...
    written = torch.stack([torch.zeros(20, dtype=torch.long), words[::2], torch.full((20,), mark)], dim=1)
    assert (looks_at(prompt, written, copying_heads=True) == torch.arange(2, 60, 3)).float().mean() > 0.7


@pytest.mark.parametrize("without", [{"num_heads": 2, "embedding_std": 0.1}, {}])
def test_copying_heads_need_three_heads_and_small_embeddings(without):
    with pytest.raises(
        UserError, match=r"copying_heads=true needs model.pocket.embedding_std and num_heads of at least 3"
    ):
        pocket.check(ModelConfig(name="pocket", pocket={**SIZES, **without, "copying_heads": True}))
