"""What the audit counts, on rows in MAC-SQL's layout and against a plain recount."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import tokenizer_of

from macsql.config import ModelConfig
from macsql.errors import UserError
from macsql.metrics.text import exact_match
from macsql.models.codecs import codec, extend
from macsql.models.framed_text import FramedText
from macsql.models.text import Text
from macsql.records import AGENTS, Agent, Example
from macsql.training.audit import AuditReport, audit_examples, percent

QUESTION = "Which ships crossed in fog?"
SOURCES: dict[Agent, str] = {
    "selector": "【Schema】\n# Table: ship\n[\n(id, ship id.),\n]\n【Question】\n{question}\n【Answer】\n",
    "decomposer": "Decompose the question.\n【Question】\n{question}\n",
    "refiner": "【old SQL】\n```sql\nSELECT a FROM t WHERE a <= 5\n```\n【Question】\n{question}\n",
}
TARGETS: dict[Agent, str] = {
    "selector": '```json\n{\n  "ship": "keep_all"\n}\n```',
    "decomposer": f"Sub question 1: {QUESTION}\nSQL\n```sql\nSELECT a FROM t WHERE a <= 5\n```\n\nQuestion Solved.",
    "refiner": "```sql\nSELECT a FROM t\n```",
}


def row(agent: Agent = "decomposer", source: str = "", target: str = "", question: str = QUESTION) -> Example:
    source = source or SOURCES[agent].format(question=question)
    return Example("q/1", agent, "q", "d", source, target or TARGETS[agent], question, "SELECT 1")


ROWS = [row(agent) for agent in AGENTS for _ in range(2)]


@pytest.fixture(scope="module")
def t5(shared: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(shared / "models/t5-small")


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory):
    model = ModelConfig(name="pocket", pocket={"vocab_size": 200})
    return tokenizer_of(model, "marks", ROWS, tmp_path_factory.mktemp("state"))


def report(tokenizer, rows: list[Example], name: str = "marks", source: int = 512, target: int = 256) -> AuditReport:
    return audit_examples(rows, Text(tokenizer, codec(name), source, target), 256)


def test_verbatim_shows_why_the_posters_exact_match_was_zero(t5):
    found = report(t5, ROWS, "verbatim").as_dict()
    assert list(found) == list(AGENTS)
    for agent in AGENTS:
        assert found[agent]["exact_match_ceiling"] == 0.0
        assert found[agent]["target"]["round_trip_loss"] == 1.0
        assert 0 < found[agent]["unknown_tokens"] < 1
    assert found["selector"]["target"]["missing"] == ("`", "{", "}")
    assert found["decomposer"]["target"]["missing"] == ("<", "`")
    assert found["selector"]["source"]["missing"] == ("【", "】")


@pytest.mark.parametrize("name", ["marks", "tokens"])
def test_reversible_codecs_lose_nothing(t5, name):
    import copy

    tokenizer = copy.deepcopy(t5)
    extend(tokenizer, codec(name))
    audited = report(tokenizer, ROWS, name)
    for figures in audited.as_dict().values():
        assert figures["exact_match_ceiling"] == figures["question_in_window"] == 1.0
        assert figures["unknown_tokens"] == figures["truncated"] == 0.0
        assert figures["source"]["round_trip_loss"] == figures["target"]["round_trip_loss"] == 0.0
    assert audited.warnings() == []


@pytest.mark.parametrize("name", ["verbatim", "marks"])
@pytest.mark.parametrize("before", ["", "【Question】\n", "``` < "])
def test_the_question_counts_as_read_to_its_last_token(t5, name, before):
    question = "How many <b> ships, 5 or  more, crossed in fog?"
    source = f"{before}{question}"
    needed = len(t5(codec(name).encode(source)).input_ids)
    rows = [row(source=f"{source} | and then the schema of it all", question=question)]
    assert report(t5, rows, name, source=needed).agents[0].question_in_window == 1.0
    assert report(t5, rows, name, source=needed - 1).agents[0].question_in_window == 0.0
    assert report(t5, [row(source="another text", question=question)], name).agents[0].question_in_window == 0.0


def test_questions_that_are_not_known_are_not_counted(pocket):
    assert report(pocket, [row(question="")]).agents[0].question_in_window is None
    assert report(pocket, [row(question=""), row(), row(source="x")]).agents[0].question_in_window == 0.5
    assert report(pocket, [row(question="")]).warnings() == []


def test_what_is_cut_cannot_match(pocket):
    short, long = row("refiner"), row("refiner", target="```sql\nSELECT " + ", ".join("abcdefgh" * 3) + "\n```")
    length = len(pocket(codec("marks").encode(short.target)).input_ids)
    audited = report(pocket, [short, long, short, short], target=length)
    [agent] = audited.agents
    assert (agent.exact_match_ceiling, agent.truncated, agent.target.truncated) == (0.75, 0.25, 0.25)
    assert agent.target.round_trip_loss == 0.0  # the codec loses nothing, the window does
    assert agent.target.longest > length == agent.target.window
    assert audited.warnings() == [
        "Refiner (codec=marks): exact match can be at most 75.0 %: "
        f"25.0 % of the answers are longer than {length} tokens (model.max_target_length)."
    ]


@pytest.mark.parametrize(("allowed", "ceiling"), [(0, 1.0), (-1, 1.0), (-2, 0.75)])
def test_an_answer_has_no_more_tokens_than_may_be_generated(pocket, allowed, ceiling):
    """Without its end-of-sequence token the longest answer is still whole, one less and it is not."""
    short, long = row("refiner"), row("refiner", target="```sql\nSELECT a FROM t WHERE a <= 5 AND b = 'x'\n```")
    text = Text(pocket, codec("marks"), 512, 256)
    longest = len(text.ids([long.target])[0])
    audited = audit_examples([short, long, short, short], text, longest + allowed)
    [agent] = audited.agents
    assert agent.exact_match_ceiling == ceiling
    assert agent.target.truncated == (0.25 if allowed else 0.0)
    assert (agent.target.window, agent.target.window_key) == (longest + allowed, "generation.max_new_tokens")
    if ceiling < 1:
        limit = f"25.0 % of the answers are longer than {longest - 2} tokens (generation.max_new_tokens)"
        assert audited.warnings() == [f"Refiner (codec=marks): exact match can be at most 75.0 %: {limit}."]
        with pytest.raises(UserError, match=r"at most 0\.75 .*generation\.max_new_tokens.*fail_below=0\.9"):
            audited.refuse_below(0.9)


def test_a_row_counts_as_cut_whichever_side_is(pocket):
    rows = [row(), row(source="a" * 99), row(target="b" * 99), row(source="a" * 99, target="b" * 99)]
    [agent] = report(pocket, rows, source=80, target=80).agents
    assert (agent.truncated, agent.source.truncated, agent.target.truncated) == (0.75, 0.5, 0.5)


texts = st.lists(
    st.sampled_from(["SELECT a", " <= 5", "\n", "  ", "`", "{", "é", " , ", "x.y", "'s", " 's", "fog?"])
).map("".join)


@given(st.lists(st.tuples(st.sampled_from(AGENTS), texts, texts), min_size=1, max_size=6), st.integers(2, 12))
@settings(max_examples=60, deadline=None)
def test_the_figures_are_those_of_a_plain_recount(pocket, rows, window):
    for name in ("verbatim", "marks"):
        known = codec(name)
        examples = [row(agent, source or "x", target or "x") for agent, source, target in rows]
        for audited in report(pocket, examples, name, window, window).agents:
            own = [example for example in examples if example.agent == audited.agent]
            ids = [pocket(known.encode(example.target)).input_ids for example in own]
            kept = [
                pocket(known.encode(example.target), truncation=True, max_length=window).input_ids for example in own
            ]
            back = [known.decode(pocket.decode(one, skip_special_tokens=True)) for one in ids]
            reached = [known.decode(pocket.decode(one, skip_special_tokens=True)) for one in kept]
            matches = [exact_match(example.target, text) for example, text in zip(own, reached, strict=True)]
            assert audited.rows == len(own)
            assert audited.exact_match_ceiling == sum(matches) / len(own)
            lost = sum(example.target != text for example, text in zip(own, back, strict=True))
            assert audited.target.round_trip_loss == lost / len(own)
            assert audited.target.truncated == sum(len(one) > window for one in ids) / len(own)
            assert audited.target.mean_tokens == sum(map(len, ids)) / len(own)
            unknown = sum(one.count(pocket.unk_token_id) for one in ids)
            assert audited.target.unknown_tokens == unknown / sum(map(len, ids))


def test_agents_without_examples_are_left_out(pocket):
    assert [audit.agent for audit in report(pocket, [row("refiner")]).agents] == ["refiner"]
    assert report(pocket, []) == AuditReport("marks", ())


def test_figures_are_json(pocket):
    figures = report(pocket, ROWS).as_dict()
    assert json.loads(json.dumps(figures))["selector"]["question_in_window"] == 1.0
    assert {"exact_match_ceiling", "question_in_window", "unknown_tokens", "truncated"} <= set(figures["refiner"])


def test_refusal_names_agent_and_ceiling(t5):
    audited = report(t5, ROWS, "verbatim")
    audited.refuse_below(None)
    audited.refuse_below(0.0)
    with pytest.raises(UserError, match=r"selector.*at most 0 .*codec=verbatim.*0\.5"):
        audited.refuse_below(0.5)
    with pytest.raises(UserError, match=r"fail_below=50.*from 0 to 1"):
        audited.refuse_below(50)
    report(t5, ROWS).refuse_below(1.0)


def test_warnings_name_what_is_wrong(t5):
    rows = [replace(one, source="word " * 600 + one.source) for one in ROWS[:2]]
    assert report(t5, rows, "verbatim").warnings() == [
        "Selector (codec=verbatim): exact match can be at most 0 %: the tokenizer cannot write ` { }.",
        "Selector (codec=verbatim): only 0 % of the questions stand whole in the model's window of 512 tokens.",
        "Selector (codec=verbatim): 100 % of the prompts are longer than 512 tokens and are cut.",
    ]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.5, "50.0 %"), (0.0004, "under 0.1 %"), (0.9996, "under 100 %"), (0.9876, "98.8 %")],
)
def test_percent_never_rounds_to_all_or_nothing(share, text):
    assert percent(share) == text


@pytest.mark.parametrize("template", ["auto", "none"])
def test_of_a_decoder_only_model_template_and_end_token_count(tmp_path, template):
    """Both stand in the windows: a row that fills one exactly is whole, with one token less it is cut."""
    tokenizer = transformers_tokenizer(tmp_path)
    tokenizer.chat_template = "<user>{{ messages[0].content }}</user>"
    one = row("refiner")
    source = len(tokenizer(one.source).input_ids) + (len("<user></user>") if template == "auto" else 1)
    target = len(tokenizer(one.target).input_ids) + 1

    def audited(source: int, target: int):
        text = FramedText(tokenizer, codec("verbatim"), source, target, template)
        return audit_examples([one, one], text, 256).agents[0]

    whole = audited(source, target)
    assert (whole.source.longest, whole.target.longest) == (source, target)
    assert (whole.source.truncated, whole.target.truncated, whole.question_in_window) == (0, 0, 1)
    assert (whole.exact_match_ceiling, whole.unknown_tokens, whole.source.round_trip_loss) == (1, 0, 0)
    short = audited(source - 1, target - 2)
    assert (short.source.truncated, short.target.truncated, short.exact_match_ceiling) == (1, 1, 0)
    assert audited(source, target - 1).exact_match_ceiling == 1.0  # the end token alone is missing


def transformers_tokenizer(folder: Path):
    from transformers import AutoTokenizer
    from trials import checkpoint_of

    return AutoTokenizer.from_pretrained(checkpoint_of("gpt2", folder / "checkpoint"))
