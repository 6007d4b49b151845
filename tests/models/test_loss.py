"""The loss of an evaluation in parts, and of a training step as it comes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_causal_lm import SOURCES, TARGETS, gpt2, llama, model

from macsql.factory.prepared import prepare
from macsql.models import loss as of
from macsql.models.families import model_of, text_of
from macsql.models.loss import loss_of, parts


@pytest.fixture(params=["t5", "llama", "gpt2"])
def made(request, tiny):
    """A model and a batch of its rows: padded on the right, on the left, and there with learnt positions."""
    if request.param == "t5":
        rows = prepare(tiny).examples("train")[:11]
        family = model_of(tiny, text_of(tiny, rows), "")
        sources, targets = [row.source for row in rows], [row.target for row in rows]
    else:
        family = model({"llama": llama, "gpt2": gpt2}[request.param])
        sources, targets = SOURCES * 4, TARGETS * 4
    return family, dict(family.collator()(family.rows(sources, targets)))


@pytest.mark.parametrize(("card", "width"), [(False, 11), (True, 16)])
def test_only_a_gpu_has_batches_rounded_up_to_a_multiple_of_8(tiny, monkeypatch, card, width):
    family = model_of(tiny, text_of(tiny, prepare(tiny).examples("train")[:2]), "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    batch = family.collator()([{"input_ids": [5] * 11, "labels": [6]}, {"input_ids": [5], "labels": [6] * 3}])
    assert batch["input_ids"].shape == (2, width)


def test_an_evaluation_in_parts_has_the_loss_of_the_whole_batch(made, monkeypatch):
    family, batch = made
    family.network.eval()
    whole, _ = family.loss(family.network, batch, None, 0.1)
    for rows in (1, 2, 4, 99):
        monkeypatch.setattr(of, "PART", rows)
        with torch.no_grad():
            found, _ = loss_of(family, family.network, batch, None, 0.1)
        assert found.item() == pytest.approx(whole.item(), rel=1e-5)


def test_a_training_step_is_not_taken_apart(made, monkeypatch):
    """Its sums would be others, in the last bits."""
    family, batch = made
    family.network.train()
    monkeypatch.setattr(of, "parts", lambda *_: pytest.fail("in parts"))
    torch.manual_seed(3)
    found, _ = loss_of(family, family.network, batch, torch.tensor(7), 0.0)
    torch.manual_seed(3)
    assert torch.equal(found, family.loss(family.network, batch, torch.tensor(7), 0.0)[0])


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=9), st.integers(1, 4), st.booleans()
)
@settings(deadline=None)
def test_parts_hold_every_row_once_and_no_column_of_padding(lengths, rows, left):
    width, longest = 9, 5

    def padded(values, to, fill):
        gap = [fill] * (to - len(values))
        return gap + values if left else values + gap

    batch = {
        "input_ids": torch.tensor([padded([row + 1] * a, width, 0) for row, (a, _) in enumerate(lengths)]),
        "attention_mask": torch.tensor([padded([1] * a, width, 0) for a, _ in lengths]),
        "labels": torch.tensor([[row] * b + [-100] * (longest - b) for row, (_, b) in enumerate(lengths)]),
        "decoder_input_ids": torch.tensor([[row] * b + [0] * (longest - b) for row, (_, b) in enumerate(lengths)]),
    }
    seen = []
    for part in parts(batch, rows):
        assert 1 <= len(part["labels"]) <= rows
        ids, mask, labels = part["input_ids"], part["attention_mask"], part["labels"]
        assert ids.shape == mask.shape
        assert labels.shape == part["decoder_input_ids"].shape
        assert mask.any(dim=0).all()
        assert labels.ne(-100).any(dim=0).all()
        for row in range(len(labels)):
            number = int(labels[row, 0])
            seen.append(number)
            assert (int(mask[row].sum()), int(labels[row].ne(-100).sum())) == lengths[number]
            assert set(ids[row].tolist()) <= {0, number + 1}
    assert sorted(seen) == list(range(len(lengths)))
