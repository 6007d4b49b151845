"""Our decoding loop writes what the library's own does, with rows of every length and ends at every place."""

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessor,
    MistralConfig,
    MistralForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from macsql.generation import folded
from macsql.generation.greedy import LEAVING, greedy

SIZES = {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "initializer_range": 0.6}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
END, PAD = 1, 0


def llama():
    return LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS))


MADE = {
    "llama": llama,
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=4, initializer_range=0.6)),
    "sliding": lambda: MistralForCausalLM(MistralConfig(**SIZES, **HEADS, sliding_window=8)),
    "t5": lambda: T5ForConditionalGeneration(
        T5Config(vocab_size=60, d_model=32, d_ff=64, num_layers=2, num_heads=4, d_kv=8, initializer_factor=4.0)
    ),
}


@pytest.fixture(autouse=True)
def one_thread():
    """Two are no faster for a tiny model, and on a busy machine many times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def asked(name: str, alike: int, rows: int = 2 * LEAVING + 1):
    torch.manual_seed(3)
    network = MADE[name]().eval()
    lengths = [alike + 1 + (7 * row) % 12 for row in range(rows)]
    begun = torch.randint(2, 60, (alike,))
    ids, mask = torch.full((rows, max(lengths)), PAD), torch.zeros(rows, max(lengths), dtype=torch.long)
    for row, length in enumerate(lengths):
        place = slice(0, length) if name == "t5" else slice(max(lengths) - length, None)
        ids[row, place] = torch.cat([begun, torch.randint(2, 60, (length - alike,))])
        mask[row, place] = 1
    ends = {"eos_token_id": [END, 7, 11, 13], "pad_token_id": PAD}  # several, so that random answers end at all
    if name == "t5":
        ends["decoder_start_token_id"] = PAD

    def write(**more):
        with torch.inference_mode():
            return network.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=30, do_sample=False, **ends, **more
            )

    return network, write


@pytest.mark.parametrize(
    ("name", "alike"), [("t5", 0), *((name, alike) for name in MADE if name != "t5" for alike in (0, 9, 20))]
)
def test_what_is_written_is_the_librarys(name, alike):
    _, write = asked(name, alike)
    stock, ours = write(), write(custom_generate=greedy)
    assert torch.equal(stock, ours)
    written = (stock != PAD).sum(dim=1)
    assert written.max() - written.min() > 5, "answers of one length would test little"


class Never(LogitsProcessor):
    """Forbids each row a token of its own: it needs the row's place in the whole batch."""

    def __call__(self, input_ids, scores):
        for row in range(len(input_ids)):
            scores[row, 2 + row :: 19] = -torch.inf
        return scores


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_a_processor_sees_every_row_in_its_place(name):
    _, write = asked(name, 9)
    stock = write(logits_processor=[Never()])
    assert torch.equal(stock, write(logits_processor=[Never()], custom_generate=greedy))
    assert not torch.equal(stock, write()[:, : stock.size(1)])


def test_rows_leave_and_what_is_alike_is_read_once():
    network, write = asked("llama", 20)
    shapes = []
    network.register_forward_pre_hook(
        lambda _, __, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    write(custom_generate=greedy)
    assert shapes[0] == (1, 20)
    assert shapes[1] == (17, 12)
    rows = [shape[0] for shape in shapes[2:]]
    assert rows == sorted(rows, reverse=True)
    assert rows[-1] < rows[0] == 17


def test_an_attention_of_one_token_is_torchs():
    network, write = asked("llama", 9)
    stock = write()
    folded.use(network)
    assert network.config._attn_implementation == folded.NAME
    assert torch.equal(stock, write(custom_generate=greedy))
    network.to(torch.bfloat16)
    assert write(custom_generate=greedy).shape[0] == len(stock)
