"""Rows of token ids and the tokenizer of the built-in model are made once for the trials of a sweep."""

import dataclasses

import pytest
from making import configured

from macsql.config import ModelConfig
from macsql.models import families, token_rows
from macsql.models.codecs import Marked
from macsql.records import Example

SIZES = {"vocab_size": 300, "d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2}
MODEL = ModelConfig(name="pocket", pocket=SIZES, max_source_length=64, max_target_length=16)
ROWS = [
    Example(f"{n}", "decomposer", "q", "d", f"names of ships {n}?", f"```sql\nSELECT {n}\n```", "", "")
    for n in range(250)
]


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def model_of(state, model=MODEL, codec="marks", rows=ROWS):
    config = configured(model, codec, state)
    return families.model_of(config, families.text_of(config, rows), "f")


def plain(model, rows=ROWS):
    return model.rows([row.source for row in rows], [row.target for row in rows])


def names(state):
    return sorted(path.name for path in (state / "data" / "rows").glob("*"))


def test_rows_are_made_once(state, monkeypatch):
    model = model_of(state)
    wanted = plain(model)
    assert list(token_rows.token_rows(ROWS, model, state)) == wanted
    again = model_of(state)
    monkeypatch.setattr(type(again), "rows", lambda *_: pytest.fail("made again"))
    found = token_rows.token_rows(ROWS, again, state)
    assert (list(found), found[7]) == (wanted, wanted[7])
    assert len(names(state)) == 1


@pytest.mark.parametrize("cut", [None, 100])
def test_damaged_rows_are_made_again(state, cut):
    model = model_of(state)
    token_rows.token_rows(ROWS, model, state)
    path = state / "data" / "rows" / names(state)[0] / token_rows.ROWS
    data = bytearray(path.read_bytes())
    data[-300] ^= 1
    path.write_bytes(data[:cut])
    assert list(token_rows.token_rows(ROWS, model, state)) == plain(model)
    assert bytes(data) != path.read_bytes()
    assert list(token_rows.token_rows(ROWS, model, state)) == plain(model)


def test_whatever_decides_the_rows_is_in_their_name(state):
    models = [
        model_of(state),
        model_of(state, dataclasses.replace(MODEL, max_source_length=32)),
        model_of(state, dataclasses.replace(MODEL, max_target_length=8)),
        model_of(state, dataclasses.replace(MODEL, pocket={**SIZES, "vocab_size": 110})),
        model_of(state, codec="tokens"),
        model_of(state, codec="verbatim"),
    ]
    changed = [dataclasses.replace(ROWS[0], target="SELECT 1"), *ROWS[1:]]
    for model in models:
        assert list(token_rows.token_rows(ROWS, model, state)) == plain(model)
    assert list(token_rows.token_rows(changed, models[0], state)) == plain(models[0], changed)
    assert list(token_rows.token_rows(ROWS[1:], models[0], state)) == plain(models[0], ROWS[1:])
    assert len(names(state)) == len(models) + 2


def test_few_rows_are_not_kept(state):
    model = model_of(state)
    few = ROWS[: token_rows.FEW - 1]
    assert list(token_rows.token_rows(few, model, state)) == plain(model, few)
    assert not names(state)


def test_texts_are_spelt_once_for_the_tokenizer(state, monkeypatch):
    folder = model_of(state).text.tokenizer.name_or_path
    encode = Marked.encode
    monkeypatch.setattr(Marked, "encode", lambda *_: pytest.fail("spelt again"))
    assert families.text_of(configured(MODEL, "marks", state), ROWS).tokenizer.name_or_path == folder
    monkeypatch.setattr(Marked, "encode", encode)
    (known,) = (state / "models" / "read").iterdir()
    for text in (b"\xff", b"", b"pocket-0", b"\0"):
        known.write_bytes(text)
        assert families.text_of(configured(MODEL, "marks", state), ROWS).tokenizer.name_or_path == folder
    other = [dataclasses.replace(ROWS[0], source="boats"), *ROWS[1:]]
    assert families.text_of(configured(MODEL, "marks", state), other).tokenizer.name_or_path != folder
