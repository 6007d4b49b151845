"""The normal form: one pair a rewrite, and the rows stay what they were."""

import json
import re
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
import sqlglot
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from macsql.protocols.spider.em import exact_match, read_spider_schema
from macsql.spider_sql.conditions import UnwritableError
from macsql.spider_sql.grammar import parse
from macsql.spider_sql.names import written_name
from macsql.spider_sql.normal_form import NormalForm, to_spider_grammar
from macsql.spider_sql.tokens import NotInGrammarError

DATA = Path(__file__).parent / "data"
PAIRS = [json.loads(line) for line in (DATA / "sql_normal_form_pairs.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "library.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA.parents[1] / "protocols" / "data" / "library.sql").read_text())
    return path


@pytest.fixture(scope="module")
def schema(library):
    return read_spider_schema(library, None)


def rows(database: Path, sql: str) -> list[str] | None:
    """The rows in no order; None where SQLite refuses."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.text_factory = lambda text: text.decode(errors="ignore")
        try:
            return sorted(map(repr, connection.execute(sql).fetchall()))
        except sqlite3.Error:
            return None


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["note"])
def test_each_rewrite(library, schema, pair):
    found = to_spider_grammar(pair["sql"], schema)
    if "to" not in pair:
        assert found == NormalForm(pair["sql"], False, pair["reason"])
        return
    assert found == NormalForm(pair["to"], True, "")
    parse(schema, found.sql.replace("value", "1"))  # it is in the grammar
    before = rows(library, pair["sql"].replace("! =", "!="))
    assert before
    assert rows(library, found.sql) == before
    assert to_spider_grammar(found.sql, schema) == NormalForm(found.sql, False, "already in the grammar")


@pytest.mark.parametrize(
    ("sql", "text", "reason"),
    [
        ("SELECT `a` FROM t AS x WHERE x.b<>2", "SELECT a FROM t AS T1 WHERE T1.b != 2", ""),
        ('SELECT a FROM t WHERE b="c"', 'SELECT a FROM t WHERE b = "c"', ""),
        ('SELECT "a" FROM t', None, '"a" may be a column or a literal: only the schema can tell'),
        ("SELECT a AS b FROM t ORDER BY b", "SELECT a FROM t ORDER BY a", ""),
        ("SELECT a AS b FROM t GROUP BY b", None, "b may be a column or an alias: only the schema can tell"),
        ("SELECT a FROM t JOIN u USING (b)", None, "USING or NATURAL JOIN of tables without a known schema"),
    ],
)
def test_without_a_schema_what_only_it_can_tell_is_left_alone(sql, text, reason):
    assert to_spider_grammar(sql, None) == NormalForm(text or sql, text is not None, reason)


def test_names_are_unquoted_only_where_sqlite_reads_them_so():
    words = ["index", "date", "rank", "end", "key", "order", "group", "values", "match", "isnull", "nothing", "desc"]
    words += ["temp", "view", "current_date", "replace", "left", "cross", "natural", "row", "filter", "no", "if", "to"]
    with closing(sqlite3.connect(":memory:")) as connection:
        for word in [*words, "two words", "9lives", "a-b", "", "naïve", "under_score"]:
            try:
                written_name(word)
            except UnwritableError:
                continue
            connection.execute(f'CREATE TABLE "t_{word}" ("{word}")')
            connection.execute(f'INSERT INTO "t_{word}" VALUES (7)')
            assert connection.execute(f'SELECT {word} FROM "t_{word}" AS x WHERE x.{word} = 7').fetchone() == (7,)


# SQL in the habit of MAC-SQL, made at random.

NUMBERS = ["pages", "price", "author_id", "book_id"]


def column(draw, names: list[str]) -> str:
    return draw(st.sampled_from(["b.{}", "b.`{}`", "`b`.{}", 'b."{}"'])).format(draw(st.sampled_from(names)))


@st.composite
def conditions(draw, depth: int = 3) -> str:
    kind = draw(st.integers(0, 9 if depth else 6))
    number = draw(st.sampled_from(["1", "2", "8", "150", "-3", "12.5"]))
    if kind <= 2:
        left, right = column(draw, NUMBERS), draw(st.sampled_from([number, column(draw, NUMBERS)]))
        sides = [left, right] if draw(st.booleans()) else [right, left]
        return draw(st.sampled_from(["=", "==", "<>", "!=", "<", "<=", ">", ">=", " = "])).join(sides)
    if kind == 3:
        return f"{column(draw, NUMBERS)}{draw(st.sampled_from([' ', ' NOT ']))}BETWEEN {number} AND 200"
    if kind == 4:
        return f"{column(draw, ['title', 'year'])}{draw(st.sampled_from([' ', ' NOT ']))}LIKE '%n%'"
    if kind == 5:
        return f"{column(draw, NUMBERS)}{draw(st.sampled_from([' ', ' NOT ']))}IN (1, 8, {number})"
    if kind == 6:
        inner = f"SELECT a.`author_id` FROM Author AS a WHERE a.born{draw(st.sampled_from(['>1931', '<1', ' = 1950']))}"
        return f"b.author_id{draw(st.sampled_from([' ', ' NOT ']))}IN ({inner})"
    if kind == 7:
        return f"NOT {draw(conditions(depth - 1))}"
    if kind == 8:
        return f"{column(draw, NUMBERS)} IS NOT NULL AND {draw(conditions(depth - 1))}"
    word = draw(st.sampled_from([" AND ", " OR "]))
    return f"({draw(conditions(depth - 1))}{word}{draw(conditions(depth - 1))})"


@st.composite
def queries(draw) -> str:
    item = column(draw, ["title", "year", "pages"])
    join = draw(
        st.sampled_from(
            [
                "book b",
                "`book` AS b",
                "book b INNER JOIN Author AS a ON a.author_id=b.author_id",
                "book b INNER JOIN loan l ON (b.book_id = l.book_id AND l.days>9)",
                "book AS b JOIN loan USING (book_id)",
                "(book b CROSS JOIN Author)",
            ]
        )
    )
    comma = draw(st.booleans())
    where = draw(st.none() | conditions())
    if comma:
        join, where = "loan, book b", f"loan.book_id = b.book_id AND ({where or 'TRUE'})"
    tail = draw(
        st.sampled_from(["", " ORDER BY 1", " ORDER BY x DESC", " GROUP BY x HAVING 1<n", " GROUP BY 1 ORDER BY n, x"])
    )
    items = f"{item} AS x, COUNT(*) AS n" if "n" in tail.split("BY")[-1] or "HAVING" in tail else f"{item} AS x"
    distinct = draw(st.sampled_from(["", "DISTINCT "]))
    return f"SELECT {distinct}{items} FROM {join}{f' WHERE {where}' if where else ''}{tail}"


@settings(max_examples=400, deadline=None)
@given(sql=queries())
def test_rows_stay_the_same(library, schema, sql):
    before = rows(library, sql)
    assume(before is not None)
    found = to_spider_grammar(sql, schema)
    reasons = (
        "IS NOT NULL",
        "IS NULL",
        "too many alternatives",
        "not readable when rewritten",
    )  # column = column OR ...
    assert found.changed or found.reason.startswith(reasons)
    assert rows(library, found.sql) == before
    assert rows(library, to_spider_grammar(sql, None).sql) == before


WORDS = re.findall(
    r"\S+",
    """select distinct from where group by having order limit join on as and or not in like between is null exists
    union intersect except all count max sum ( ) , . * + - / = != <> < > >= name author book b b.title 1 2 'x' ` [ ] ;
    case when then end cast int left natural using with over interval :a ? -> x'aa' 0x1f || collate glob window""",
)


@settings(max_examples=500, deadline=None)
@given(
    sql=st.text() | st.lists(st.sampled_from(WORDS), max_size=20).map(lambda words: "select " + " ".join(words)),
    known=st.booleans(),
)
def test_no_text_raises(schema, sql, known):
    found = to_spider_grammar(sql, schema if known else None)
    assert bool(found.reason) != found.changed
    assert found.changed or found.sql == sql
    if found.changed and known:
        parse(schema, found.sql.replace("value", "1"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT `name` FROM author WHERE " + "(" * 3000 + "born > 1" + ")" * 3000,
        "SELECT `name` FROM author WHERE " + " AND ".join(["born>1"] * 3000),
        "SELECT `name` FROM author WHERE " + " AND ".join(["(born>1 OR born<0)"] * 40),
        "SELECT `name` FROM author WHERE born IN (" + "1," * 5000 + "1)",
        "SELECT `name` FROM author " + "UNION SELECT `name` FROM author " * 300,
    ],
    ids=["brackets", "AND", "OR under AND", "IN", "UNION"],
)
def test_huge_texts_are_answered(schema, sql):
    found = to_spider_grammar(sql, schema)
    assert found.changed or found.reason


# On the shared development data.


@pytest.fixture(scope="module")
def spider(shared):
    folder = shared / "data/spider"
    entries = {entry["db_id"]: entry for entry in json.loads((folder / "tables.json").read_text())}
    path = cache(lambda name: folder / "database" / name / f"{name}.sqlite")
    return folder, path, cache(lambda name: read_spider_schema(path(name), entries[name]))


def golds(folder: Path) -> list[dict]:
    return json.loads((folder / "dev.json").read_text()) + json.loads((folder / "train_spider.json").read_text())[::25]


def test_golds_written_with_quotes_come_back_as_they_were(spider):
    """Golds in sqlglot's own spelling: all names quoted, `<>`, NOT before the condition. Before, none is readable."""
    folder, path, schema_of = spider
    judged = matched = 0
    for row in golds(folder):
        known, sql = schema_of(row["db_id"]), row["query"]
        try:
            parse(known, sql)
        except NotInGrammarError:
            continue
        quoted = sqlglot.parse_one(sql, dialect="sqlite").sql("sqlite", identify=True)
        found = to_spider_grammar(quoted, known)
        judged += 1
        matched += exact_match(known, sql, found.sql).exact
        assert not exact_match(known, sql, quoted).exact
        assert rows(path(row["db_id"]), found.sql) == rows(path(row["db_id"]), quoted)
    assert judged > 700
    assert matched / judged > 0.995


def test_golds_in_the_grammar_are_left_as_they_are(spider):
    folder, _, schema_of = spider
    changed = [row for row in golds(folder) if to_spider_grammar(row["query"], schema_of(row["db_id"])).changed]
    assert all("value" in row["query"] for row in changed)  # as predictions they would not be readable


@pytest.mark.parametrize("name", ["edge_cases", "llm", "mutated", "t5"])
def test_predictions_keep_their_rows_and_more_match(shared, spider, name):
    _, path, schema_of = spider
    before = after = 0
    for line in (shared / f"parity/spider_{name}.jsonl").read_text().splitlines():
        row = json.loads(line)
        known = schema_of(row["db_id"])
        found = to_spider_grammar(row["pred"], known)
        before += row["exact"]
        after += exact_match(known, row["gold"], found.sql).exact
        was = rows(path(row["db_id"]), row["pred"]) if found.changed else None
        assert was is None or rows(path(row["db_id"]), found.sql) == was, row
    assert after >= before
    assert after > before or name in ("llm", "t5")
