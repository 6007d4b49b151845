"""What the agents read: MAC-SQL's layout, and the squeezed form that keeps the question whatever has to go."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macsql.agents import decomposer, refiner, schema_text, selector, squeeze
from macsql.agents.tokens import estimate_tokens
from macsql.corpora.chat_prompts import agent_of
from macsql.database.schema import Column, Database, ForeignKey, Schema, Table
from macsql.database.values import read_value_examples

PROMPTS = {
    "selector": selector.prompt,
    "decomposer": decomposer.prompt,
    "refiner": lambda style, **shown: refiner.prompt(
        style, sql="SELECT nam FROM vessel", error="no such column: nam", exception="sqlite3.OperationalError", **shown
    ),
}


def test_the_layout_of_mac_sql(ferries: Database) -> None:
    values = read_value_examples(ferries, 2)
    text = schema_text.table_blocks(ferries.schema, values)
    assert text.startswith("# Table: vessel\n[\n(vessel_id, vessel id.),\n(name, name. Value examples: ['Aurelia', ")
    assert "(cargo, cargo. Value examples: [None, 'mail', 'milk'].),\n" in text
    assert text.count("# Table: ") == 4
    assert schema_text.foreign_key_lines(ferries.schema).splitlines() == [
        "crossing.`vessel_id` = vessel.`vessel_id`",
        "crossing.`from_landing` = landing.`landing_id`",
        "inspection.`vessel_id` = vessel.`vessel_id`",
    ]


def test_a_description_stands_behind_the_name_in_words() -> None:
    column = Column("DOB", "TEXT", full_name="birth", description="day of birth")
    shown = schema_text.table_blocks(Schema("x", (Table("person", (column,)),)), {})
    assert shown == "# Table: person\n[\n(DOB, birth, day of birth.),\n]"


@pytest.mark.parametrize("agent", PROMPTS)
def test_mac_sql_prompts_say_whose_they_are(schema: Schema, agent: str) -> None:
    prompt = PROMPTS[agent]("mac_sql", question="How many {ships}?", schema=schema, evidence="ships refers to vessel")
    assert agent_of(prompt) == agent
    assert "How many {ships}?" in prompt
    assert "ships refers to vessel" in prompt


@pytest.mark.parametrize(("agent", "most"), [("selector", 1241), ("decomposer", 2075), ("refiner", 417)])
def test_mac_sql_prompts_are_as_long_as_the_original(shared: Path, agent: str, most: int) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(shared / "models" / "t5-small")
    prompt = PROMPTS[agent]("mac_sql", question="", schema=Schema("", ()))
    tokens = tokenizer(prompt, verbose=False).input_ids
    assert 0.85 * most < len(tokens) < 1.15 * most
    whole = PROMPTS[agent]("mac_sql", question="QUESTION", schema=Schema("", ()))
    if agent != "refiner":  # whose fixed text alone would leave room for it
        before = tokenizer(whole[: whole.index("QUESTION")], verbose=False).input_ids
        assert len(before) > 512, "the question must lie outside T5's window, as it did for the poster"


@pytest.mark.parametrize("agent", PROMPTS)
def test_brief_prompts_begin_with_task_and_question(schema: Schema, agent: str) -> None:
    prompt = PROMPTS[agent]("brief", question="How  many\nships?", schema=schema, evidence="a hint")
    assert re.match(r"(select|decompose|refine): How many ships\? \| evidence: a hint \| ", prompt)
    assert "\n" not in prompt


def test_the_brief_form(ferries: Database) -> None:
    prompt = selector.prompt(
        "brief", question="How many ships?", schema=ferries.schema, values=read_value_examples(ferries, 2)
    )
    assert prompt == (
        "select: How many ships? | schema: "
        "vessel: vessel_id, name(Aurelia; Blue Heron), built(1968; 1991), seats(60; 80) | "
        "landing: landing_id, name(Altmarkt; Oststeg), bank(left; right) | "
        "crossing: crossing_id, vessel_id = vessel.vessel_id, from_landing = landing.landing_id, day(2019-05-01), "
        "departure(07:10; 07:40), delay(0; 2), passengers(12; 55), bicycles(0; 1), cargo(mail; milk), "
        'weather(clear; fog), captain(I. Brandt; O. Lund), "ticket price"(1.5; 2.0) | '
        "inspection: inspection_id, vessel_id = vessel.vessel_id, day(2018-11-20), result(passed; repair)"
    )


def test_a_refiner_prompt_holds_sql_and_error() -> None:
    prompt = PROMPTS["refiner"]("brief", question="Which?", schema=Schema("", ()))
    assert prompt == "refine: Which? | sql: SELECT nam FROM vessel | error: no such column: nam"


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT  a\n FROM t", "SELECT a FROM t"),
        ("-- leading\n\n  SELECT a FROM t", "-- leading\nSELECT a FROM t"),
        ("SELECT a --  the name \t\nFROM t; -- done  ", "SELECT a --  the name\nFROM t; -- done"),
        ("SELECT /* a\n b */ a  FROM t", "SELECT /* a\n b */ a FROM t"),
        (
            "SELECT a FROM t WHERE b = 'New  York --' AND  c = \"x  y\"",
            "SELECT a FROM t WHERE b = 'New  York --' AND c = \"x  y\"",
        ),
        ("SELECT [a  b], `c  d`  FROM t WHERE e = 'it''s  so'", "SELECT [a  b], `c  d` FROM t WHERE e = 'it''s  so'"),
        ("SELECT a FROM t WHERE b = 'never  closed", "SELECT a FROM t WHERE b = 'never closed"),
    ],
)
def test_sql_in_a_prompt_means_what_it_meant(sql: str, shown: str) -> None:
    prompt = refiner.prompt("brief", question="Which?", schema=Schema("", ()), sql=sql, error="none")
    assert prompt == f"refine: Which? | sql: {shown} | error: none"


SQL_PARTS = st.sampled_from(
    ["SELECT", "a", "'b  c'", '"d  e"', "--", "-- x", "/* y */", "\n", "  ", " ", "'", '"', "(", "-", "`f  g`"]
)


@given(st.lists(SQL_PARTS, max_size=12).map("".join))
def test_folding_sql_again_changes_nothing_and_loses_no_sign(sql: str) -> None:
    once = squeeze.one_line_sql(sql)
    assert squeeze.one_line_sql(once) == once
    assert "".join(once.split()) == "".join(sql.split())


def squeezed(database: Database, question: str, budget: int) -> str:
    return selector.prompt(
        "brief",
        question=question,
        schema=database.schema,
        values=read_value_examples(database, 2),
        budget=budget,
    )


def test_value_examples_go_first_and_those_of_the_question_last(ferries: Database) -> None:
    prompt = squeezed(ferries, "Which captain sailed in fog?", 168)
    assert "weather(fog)" in prompt
    assert prompt.count("(") == 1, "all other examples are gone"
    assert all(column.name in prompt for table in ferries.schema.tables for column in table.columns)


def test_then_columns_that_are_not_mentioned_and_keys_last(ferries: Database) -> None:
    prompt = squeezed(ferries, "Which captains?", 100)
    assert "crossing: crossing_id, vessel_id = vessel.vessel_id, from_landing" in prompt
    assert "captain" in prompt.partition("schema:")[2]
    assert "departure" not in prompt
    assert "result" not in prompt


def test_tables_go_before_what_the_question_mentions(ferries: Database) -> None:
    prompt = squeezed(ferries, "Which captains?", 80)
    assert "inspection" not in prompt
    assert "captain" in prompt.partition("schema:")[2]


def test_a_table_written_as_one_word_is_found() -> None:
    tables = tuple(Table(name, (Column("a", ""), Column("b", ""))) for name in ("pit_stops", "lapTimes", "drivers"))
    prompt = selector.prompt("brief", question="The shortest laptime?", schema=Schema("f1", tables), budget=28)
    assert prompt.endswith("| schema: lapTimes: a, b")


def test_a_table_that_joins_two_mentioned_ones_outlives_others() -> None:
    link = Table("x", (Column("ship", ""), Column("port", "")))
    others = tuple(Table(name, (Column("id", ""),)) for name in ("ships", "ports", "y", "z"))
    keys = (ForeignKey("x", "ship", "ships", "id"), ForeignKey("x", "port", "ports", "id"))
    prompt = selector.prompt(
        "brief",
        question="ships and ports",
        schema=Schema("s", (*others[:2], link, *others[2:]), keys),
        budget=42,
    )
    assert prompt.endswith("| schema: ships: id | ports: id | x: ship = ships.id, port = ports.id")


NAMES = st.text("abcdefgh_ é\"'|;,", min_size=1, max_size=12)
COLUMNS = st.lists(st.builds(Column, NAMES, st.just("TEXT"), primary_key=st.booleans()), min_size=1, max_size=12)
TABLES = st.lists(st.builds(Table, NAMES, COLUMNS.map(tuple)), max_size=8)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    tables = tuple({table.name.lower(): table for table in draw(TABLES)}.values())
    columns = [(table.name, column.name) for table in tables for column in table.columns]
    ends = draw(st.lists(st.tuples(st.sampled_from(columns), st.sampled_from(columns)), max_size=4)) if columns else []
    return Schema("any", tables, tuple(ForeignKey(*start, *end) for start, end in ends))


QUESTIONS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=60).filter(str.strip)


@settings(max_examples=150, deadline=None)
@given(schemas(), QUESTIONS, st.integers(1, 120))
def test_a_brief_prompt_holds_the_question_and_its_budget(schema, question, budget) -> None:
    values = {(table.name, column.name): (None, "abc", 1.5) for table in schema.tables for column in table.columns}
    prompt = selector.prompt("brief", question=question, schema=schema, values=values, budget=budget)
    head = f"select: {' '.join(question.split())}"
    assert prompt.startswith(head)
    assert prompt == head or estimate_tokens(prompt) <= budget


@settings(max_examples=50, deadline=None)
@given(schemas(), QUESTIONS)
def test_nothing_is_cut_that_need_not_be(schema, question) -> None:
    shown = selector.prompt("brief", question=question, schema=schema, budget=10**6)
    assert all(squeeze._name(table.name) in shown for table in schema.tables)
    assert sum(len(table.columns) for table in schema.tables) <= len(shown)


def test_the_estimate_lies_above_t5(shared: Path) -> None:
    """Over schemas with all kinds of names: never below the true count, and not far above it on average."""
    from transformers import AutoTokenizer

    from macsql.database.tables_json import read_tables_json
    from macsql.models.codecs import codec

    tokenizer = AutoTokenizer.from_pretrained(shared / "models" / "t5-small")
    encode = codec("marks").encode
    ratios = []
    for schema in read_tables_json(shared / "data" / "spider" / "tables.json").values():
        for narrow in (schema, replace(schema, tables=schema.tables[:2], foreign_keys=())):
            prompt = selector.prompt("brief", question="How many are there of each?", schema=narrow)
            true = len(tokenizer(encode(prompt), verbose=False).input_ids)
            ratios.append(estimate_tokens(prompt) / true)
            assert true <= 512
    assert min(ratios) >= 0.99
    assert sum(ratios) / len(ratios) < 1.35


LINKS = {
    ("vessel", "vessel_id"): ("V-7",),
    ("landing", "name"): ("Weir", "Altmarkt"),
    ("crossing", "captain"): ("O'Neil; (a) | b: c\nd",),
    ("nowhere", "name"): ("x",),
}


def test_linked_values_stand_first_in_quotes_keys_included(ferries: Database) -> None:
    """Each once; neither line breaks nor signs of the layout in them break it."""
    values = read_value_examples(ferries, 2)
    shown = {"question": "How many ships?", "schema": ferries.schema, "values": values}
    prompt = selector.prompt("brief", **shown, links=LINKS)
    plain = selector.prompt("brief", **shown)
    assert prompt == (
        plain.replace("vessel_id, name(Aurelia", "vessel_id('V-7'), name(Aurelia")
        .replace("name(Altmarkt; Oststeg)", "name('Weir'; 'Altmarkt'; Oststeg)")
        .replace("captain(I. Brandt", "captain('O''Neil; (a) | b: c d'; I. Brandt")
    )
    assert prompt != plain
    assert selector.prompt("brief", **shown, links={}) == plain


def test_linked_values_go_first_in_mac_sql_too(ferries: Database) -> None:
    shown = {"question": "How many ships?", "schema": ferries.schema, "values": read_value_examples(ferries, 2)}
    prompt = selector.prompt("mac_sql", **shown, links=LINKS)
    assert "(name, name. Value examples: ['Weir', 'Altmarkt', 'Oststeg'].),\n" in prompt
    assert "(vessel_id, vessel id. Value examples: ['V-7'].),\n" in prompt
    assert selector.prompt("mac_sql", **shown, links={}) == selector.prompt("mac_sql", **shown)


def test_columns_with_linked_values_outlive_others(ferries: Database) -> None:
    """They go after all that the fields do not mention, and value examples before them."""
    links = {("crossing", "cargo"): ("milk",), ("landing", "landing_id"): ("L1",)}
    shown = {"question": "Which passengers?", "schema": ferries.schema, "values": read_value_examples(ferries, 2)}
    prompt = selector.prompt("brief", **shown, links=links, budget=80)
    assert "cargo('milk')" in prompt
    assert "passengers" in prompt.partition("schema:")[2]
    assert "landing_id('L1')" in prompt
    assert "weather" not in prompt
    assert "cargo" not in selector.prompt("brief", **shown, budget=80)


@settings(max_examples=100, deadline=None)
@given(schemas(), QUESTIONS, st.integers(1, 120), st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3))
def test_linked_values_keep_to_the_budget_and_to_one_line(schema, question, budget, linked) -> None:
    links = {(table.name, column.name): tuple(linked) for table in schema.tables for column in table.columns[:2]}
    values = {(table.name, column.name): (None, "abc", 1.5) for table in schema.tables for column in table.columns}
    prompt = selector.prompt("brief", question=question, schema=schema, values=values, links=links, budget=budget)
    head = f"select: {' '.join(question.split())}"
    assert prompt.startswith(head)
    assert prompt == head or estimate_tokens(prompt) <= budget
    assert all(letter == " " or not letter.isspace() for letter in prompt)
