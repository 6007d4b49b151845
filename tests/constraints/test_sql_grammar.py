"""The acceptor of SQL: every gold query passes, nothing that SQLite would not prepare does."""

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macsql import corpora
from macsql.config import DataConfig
from macsql.constraints.names import NameSet, plain
from macsql.constraints.sql_grammar import SqlGrammar
from macsql.constraints.values import AnyTexts, CopiedTexts
from macsql.database.schema import Schema

DATA = Path(__file__).parent / "data"
PROMPT = "Which ships of Oststeg, the Blue Heron say, sailed in fog or rain?"
LETTERS = "abcdefghijklmnopqrstuvwxyzT ().,*=<>'123_"
SHARED_CORPORA = {"text2sql": "geoquery", "spider": "spider_published", "bird": "bird"}
ACCEPTED = {"text2sql": 1.0, "spider": 0.9979, "bird": 0.9908}  # shares of the gold queries, at least


def pairs(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def read(grammar: SqlGrammar, sql: str, texts) -> int | None:
    """The place of the first character that may not stand there, the length where more is needed; None: accepted."""
    place = grammar.automaton.begin()
    for number, char in enumerate(plain(sql)):
        after = grammar.automaton.advance(place, char, texts)
        if after is None:
            return number
        place = after
    return None if grammar.automaton.complete(place, texts) else len(sql)


@pytest.fixture(scope="module")
def grammar(schema) -> SqlGrammar:
    return SqlGrammar(schema)


@pytest.mark.parametrize("pair", pairs("accepted.jsonl"), ids=lambda pair: pair["sql"][:40])
def test_accepted(grammar, pair):
    assert read(grammar, pair["sql"], CopiedTexts([PROMPT])) is None


@pytest.mark.parametrize("pair", pairs("refused.jsonl"), ids=lambda pair: pair["why"])
def test_refused(grammar, pair):
    assert read(grammar, pair["sql"], CopiedTexts([PROMPT])) is not None


def test_the_last_table_of_a_from_leaves_no_column_without_its_own(grammar):
    """Seven tables are the most: what could not be ended any more is refused before it is written."""
    sql = "SELECT name, weather FROM " + ", ".join(f"vessel AS T{n}" for n in range(1, 8))
    place = read(grammar, sql, CopiedTexts([PROMPT]))
    assert place is not None
    assert place < len(sql)


def test_a_value_is_refused_where_it_leaves_the_prompt(grammar):
    sql = "SELECT name FROM vessel WHERE name = 'Oststern'"
    assert read(grammar, sql, CopiedTexts([PROMPT])) == sql.index("rn'")
    assert read(grammar, sql, AnyTexts()) is None


def refused(corpus: corpora.Corpus, every: int) -> list[tuple[str, str]]:
    """The gold queries, one in `every`, that the grammar of their schema does not accept."""
    grammars: dict[str, SqlGrammar] = {}
    found = []
    for question in corpus.questions[::every]:
        if question.db_id not in grammars:
            grammars[question.db_id] = SqlGrammar(corpus.databases[question.db_id].schema)
        if read(grammars[question.db_id], question.sql.strip(), AnyTexts()) is not None:
            found.append((question.db_id, question.sql))
    return found


def test_every_built_in_question_is_accepted(tmp_path):
    corpus = corpora.read(DataConfig(format="pocket", questions=60), tmp_path)
    assert len(corpus.questions) > 250
    assert refused(corpus, 2) == []


@pytest.mark.parametrize(("format", "every"), [("text2sql", 10), ("spider", 70)])
def test_gold_queries_are_accepted(shared, tmp_path, format, every):
    corpus = corpora.read(DataConfig(format=format, root=str(shared / "data" / SHARED_CORPORA[format])), tmp_path)
    assert len(refused(corpus, every)) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARED_CORPORA)
def test_of_all_gold_queries_hardly_one_is_refused(shared, tmp_path, name):
    """What is left: another table than T1 first, a query's own names before FROM, an outer alias in a SELECT list,
    and SQL that SQLite does not read either."""
    corpus = corpora.read(DataConfig(format=name, root=str(shared / "data" / SHARED_CORPORA[name])), tmp_path)
    out = refused(corpus, 1)
    assert len(corpus.questions) > 500
    assert 1 - len(out) / len(corpus.questions) >= ACCEPTED[name]


def walk(grammar: SqlGrammar, dice: random.Random, texts) -> str | None:
    """A query of random characters, each of which may come next; None where it has not ended after 400."""
    place, written = grammar.automaton.begin(), ""
    while len(written) < 400:
        if dice.random() < 0.5 and grammar.automaton.complete(place, texts):
            return written
        order = sorted(dice.sample(LETTERS, len(LETTERS)), key=lambda char: char == "(" and dice.random() < 0.8)
        for char in order:
            if (after := grammar.automaton.advance(place, char, texts)) is not None:
                place, written = after, written + char
                break
        else:
            return written if grammar.automaton.complete(place, texts) else None
    return None


def prepared(connection: sqlite3.Connection, sql: str) -> str:
    """SQLite's complaint; empty where it has none."""
    try:
        connection.execute(f"EXPLAIN {sql}")
    except sqlite3.Error as error:
        return str(error)
    return ""


def empty(schema: Schema) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    for table in schema.tables:
        columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
        connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
    return connection


def test_what_the_grammar_completes_sqlite_prepares(grammar, schema):
    dice, texts = random.Random(0), CopiedTexts([PROMPT])
    walks = [sql for _ in range(80) if (sql := walk(grammar, dice, texts)) is not None]
    assert len(walks) > 10
    with closing(empty(schema)) as connection:
        complaints = [(sql, told) for sql in walks if (told := prepared(connection, sql))]
    assert not [pair for pair in complaints if pair[1].startswith(("no such", "ambiguous", "near"))]
    assert len(complaints) <= len(walks) / 100, complaints


@pytest.mark.parametrize(
    ("written", "read"), [('"say "hi""', None), ('`say "hi"`', 'say "hi"'), ('[say "hi"]', 'say "hi"')]
)
def test_a_name_stands_in_no_quotes_that_end_inside_it(written, read):
    names = NameSet(['say "hi"'], {'say "hi"': 'say "hi"'})
    assert names.read(written) == read
    assert names.begins(written[:5]) == (read is not None)


@given(st.text(alphabet="abc XY%_'é", max_size=12))
@settings(max_examples=200, deadline=None)
def test_texts_are_those_of_the_prompt(text):
    texts = CopiedTexts(["say abc XY now", "é"])
    quoted = "'" + plain(text).replace("'", "''") + "'"
    if texts.holds(quoted):
        assert all(texts.begins(quoted[:count]) for count in range(1, len(quoted)))


@given(st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_way_leads_nowhere(grammar, data):
    """Behind whatever may be written something may follow, or the query may end there."""
    texts = CopiedTexts([PROMPT, "vessel_id = 'fog' or T1. x = 7"])
    begun = ["", ", vessel", " FROM vessel WHERE name = '", " FROM vessel AS T1, crossing AS T"]
    place = grammar.automaton.begin()
    for char in "SELECT name" + data.draw(st.sampled_from(begun)):
        place = grammar.automaton.advance(place, char, texts)
    for _ in range(40):
        ways = [char for char in map(chr, range(32, 127)) if grammar.automaton.advance(place, char, texts)]
        if not ways:
            assert grammar.automaton.complete(place, texts)
            return
        place = grammar.automaton.advance(place, data.draw(st.sampled_from(ways)), texts)
