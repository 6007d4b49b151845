"""The command: table, JSON file, refusal, bad input."""

import json
import sys
from pathlib import Path

import pytest

from macsql.audit import main

SMALL = ("data=pocket_five", "data.questions=20", "model=pocket_scratch", "model.pocket.vocab_size=300", "codec=marks")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp("state")  # the examples are made once for all tests


@pytest.fixture
def audit(state, monkeypatch, capsys):
    def run(*overrides: str, small: tuple[str, ...] = SMALL) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["macsql.audit", f"tracking.state_dir={state}", *small, *overrides])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_default_is_without_loss_and_the_file_says_so(audit, tmp_path):
    out = tmp_path / "new" / "audit.json"
    code, shown, _ = audit(f"audit.out={out}", "audit.fail_below=1")
    assert code == 0
    assert "Nothing is lost" in shown
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert set(figures) == {"selector", "decomposer", "refiner"}
    for agent in figures.values():
        assert agent["exact_match_ceiling"] == agent["question_in_window"] == 1.0
        assert agent["unknown_tokens"] == agent["truncated"] == 0.0


def test_verbatim_is_refused_but_shown_and_written(audit, tmp_path):
    out = tmp_path / "audit.json"
    code, shown, err = audit("codec=verbatim", f"audit.out={out}", "audit.fail_below=0.9")
    assert code == 1
    assert "cannot write" in shown
    assert "selector" in err
    assert len(err.strip().splitlines()) == 1
    assert json.loads(out.read_text(encoding="utf-8"))["selector"]["exact_match_ceiling"] == 0.0


def test_answers_that_are_longer_than_may_be_generated_are_told(audit):
    code, shown, _ = audit("generation.max_new_tokens=9")
    assert code == 0
    assert "of the answers are longer than 9 tokens (generation.max_new_tokens)" in " ".join(shown.split())
    code, _, err = audit("generation.max_new_tokens=9", "audit.fail_below=1")
    assert code == 1
    assert "(generation.max_new_tokens)" in err


def test_what_was_left_out_is_named(audit, tmp_path):
    """An audit of the rest alone would call broken data whole."""
    schema = "【Database schema】\n# Table: ship\n[\n(id, id.),\n]\n"
    prompt = f"Given a {schema}【Question】\nHow many ships {{}}?\n【Evidence】\n\n"
    lines = ['{"messages":']
    for number in range(30):
        asked = prompt.format(number) + "Decompose the question into sub questions"
        turns = [("system", ""), ("user", asked), ("assistant", f"```sql\nSELECT {number}\n```")]
        lines.append(json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}))
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, shown, _ = audit("data=chat", f"data.root={file}")
    assert code == 0
    assert "Left out before the audit: malformed line: 1" in shown
    assert "line 1" in shown
    assert "Nothing is lost of the rows that were read" in shown


def test_linked_values_are_counted(audit, tmp_path):
    out = tmp_path / "audit.json"
    code, shown, _ = audit(f"audit.out={out}")
    assert code == 0
    assert "values that a question names" in shown
    counts = json.loads(out.read_text(encoding="utf-8"))["decomposer"]["links"]["train"]
    linked = sum(
        counts[f"linked_{kind}"] for kind in ("exact", "folded", "plural", "near") if f"linked_{kind}" in counts
    )
    assert 0 < linked == counts["gold_values"]
    assert counts["prompts_with_gold_values"] <= counts["prompts_with_links"] < counts["prompts"]
    _, shown, _ = audit("agents.value_links=0", f"audit.out={out}")
    assert "values that a question names" not in shown
    assert json.loads(out.read_text(encoding="utf-8"))["decomposer"]["links"] == {}


def test_several_models_stand_in_one_table(audit, tmp_path):
    out = tmp_path / "audit.json"
    code, shown, _ = audit("codec=verbatim,marks", "agents=choice(brief,mac_sql)", f"audit.out={out}")
    assert code == 0
    assert "what each model can represent" in shown
    told = json.loads(out.read_text(encoding="utf-8"))
    assert [each["setting"] for each in told] == [
        {"codec": spelt, "agents": style} for spelt in ("verbatim", "marks") for style in ("brief", "mac_sql")
    ]
    ceilings = [each["agents"]["refiner"]["exact_match_ceiling"] for each in told]
    assert ceilings[0] == ceilings[1] == 0 < ceilings[2]
    assert told[3]["agents"]["decomposer"]["question_in_window"] < 1
    code, _, err = audit("codec=marks,verbatim", "audit.fail_below=0.9")
    assert code == 1
    assert "with codec=verbatim and model=pocket_scratch (" in err


def test_models_at_places_of_their_own(audit, tmp_path):
    """search.points gives each model its path; what a training alone hangs on makes no row of its own."""
    own = tokenizer_folder(tmp_path / "own")
    small = ("data.questions=20",)
    points = f"[{{model: pocket}}, {{model: qwen_coder, model.path: {own}, codec: verbatim}}]"
    out = tmp_path / "audit.json"
    varied = "trainer.learning_rate=1e-4,1e-3"
    code, shown, err = audit(f"search.points={points}", varied, f"audit.out={out}", small=small)
    assert code == 0, err
    built_in, other = json.loads(out.read_text(encoding="utf-8"))
    assert built_in["setting"] == {"model": "pocket"}
    assert other["agents"]["selector"]["exact_match_ceiling"] == 1.0
    assert other["agents"]["selector"]["source"]["window"] != built_in["agents"]["selector"]["source"]["window"]
    assert "qwen_coder" in shown
    code, _, err = audit("model=pocket,nothing", small=small)
    assert (code, len(err.strip().splitlines())) == (1, 1)
    assert "no model called 'nothing'" in err
    code, _, err = audit("model=pocket_scratch,qwen_coder")
    assert (code, len(err.strip().splitlines())) == (1, 1)
    assert err.startswith("At model=qwen_coder: model.pocket has no 'vocab_size' yet")


def tokenizer_folder(folder: Path) -> Path:
    """A decoder-only checkpoint's tokenizer of single bytes and its config.json, without weights."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    sketch = Tokenizer(models.BPE({letter: number for number, letter in enumerate(["<|end|>", *letters])}, []))
    sketch.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    sketch.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=sketch, eos_token="<|end|>").save_pretrained(folder)
    Qwen2Config(vocab_size=257).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("audit.fail_below=2", "from 0 to 1"),
        ("audit.fail_below=often", "audit.fail_below"),
        ("generation.max_new_tokens=0", "generation.max_new_tokens=0"),
        ("audit.out=.", "is a folder"),
        ("audit.file=x.json", "audit.file"),
        ("codec=morse", "codec"),
        ("codec.name=morse", "verbatim, marks, tokens"),
        ("codec=compact", "codec=compact is called codec=marks now."),
        ("codec.name=compact", "codec.name=compact is called codec.name=marks now."),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_1(audit, override, message):
    code, _, err = audit(override)
    assert code == 1
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_number_that_cannot_be_meant_is_named_before_any_cost(audit):
    for given in ("metrics.workers=0", "generation.max_new_tokens=0"):
        code, _, err = audit(given)
        assert (code, err) == (1, f"{given}: at least 1 is needed.\n")
