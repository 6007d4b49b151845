"""Gold and prediction files of every format, and the sentences for files that are not of it."""

import json

import pytest

from macsql.errors import UserError
from macsql.protocols.bench import Pair
from macsql.protocols.files import read_pairs
from macsql.records import Prediction, write_jsonl

GOLD = "SELECT a FROM t\tone\nSELECT b FROM t\ttwo\n"
MARK = "\t----- bird -----\t"


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8", newline="")
        return path

    return write


def answer(agent, db_id, sql, output):
    return Prediction("i", agent, "q", db_id, "How many?", sql, "target", output, output)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pred.sql", "SELECT 1\nSELECT 2\n"),
        ("pred.txt", "SELECT 1\r\nSELECT 2"),
        ("pred.txt", "  SELECT 1 \tdropped\tall of it\n\tSELECT 2\n\n\n"),
        ("pred.json", {"0": f"SELECT 1{MARK}one", "1": f"SELECT 2{MARK}two"}),
        ("pred.json", {"0": "SELECT 1", "1": f"SELECT 2{MARK}two"}),
        ("pred.json", [["Q1", f"SELECT 1{MARK}one"], ["Q2", f"SELECT 2{MARK}two"]]),
        (
            "pred.jsonl",
            '{"idx": 0, "db_id": "one", "pred": "SELECT 1"}\n{"idx": 1, "db_id": "two", "pred": "SELECT 2"}\n',
        ),
        (
            "out.json",
            '{"db_id": "one", "query": "Q\u2028", "pred": "SELECT 1"}\n{"db_id": "two", "pred": "SELECT 2"}\n',
        ),
    ],
)
def test_predictions(write, name, content):
    pairs, places = read_pairs(write("gold.sql", GOLD), write(name, content))
    assert pairs == [Pair(0, "one", "SELECT a FROM t", "SELECT 1"), Pair(1, "two", "SELECT b FROM t", "SELECT 2")]
    assert places == ["line 1", "line 2"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gold.sql", b"\xef\xbb\xbf" + GOLD.encode()),
        ("gold.txt", GOLD.replace("\n", "\r\n")),
        ("dev.json", [{"db_id": "one", "query": "SELECT a FROM t"}, {"db_id": "two", "query": "SELECT b FROM t"}]),
        ("dev.json", [{"db_id": "one", "SQL": "SELECT a FROM t"}, {"db_id": "two", "SQL": "SELECT b FROM t"}]),
        (
            "output.jsonl",
            '{"db_id": "one", "query": "Q?", "ground_truth": "SELECT a FROM t", "pred": ""}\n'
            '{"db_id": "two", "query": "Q?", "ground_truth": "SELECT b FROM t", "pred": ""}\n',
        ),
    ],
)
def test_golds(write, name, content):
    pairs, _ = read_pairs(write(name, content), write("pred.sql", "SELECT 1\nSELECT 2\n"))
    assert [(pair.db_id, pair.gold) for pair in pairs] == [("one", "SELECT a FROM t"), ("two", "SELECT b FROM t")]


def test_what_is_no_text_is_no_statement(write):
    pairs, _ = read_pairs(write("gold.sql", GOLD), write("pred.json", {"0": 0, "1": f"{MARK}two"}))
    assert [pair.pred for pair in pairs] == ["", ""]


def test_own_predictions(tmp_path, write):
    path = tmp_path / "predictions.jsonl"
    rows = [
        answer("selector", "one", "SELECT a FROM t", "```json\n{}\n```"),
        answer("decomposer", "one", "SELECT a FROM t", "```sql\nSELECT 0\n```\n```sql\nSELECT\n1\n```"),
        answer("refiner", "one", "SELECT a FROM t", "```sql\nSELECT 9\n```"),
        answer("decomposer", "two", "SELECT b FROM t", "I do not know."),
    ]
    write_jsonl(path, rows)
    expected = [Pair(0, "one", "SELECT a FROM t", "SELECT\n1"), Pair(1, "two", "SELECT b FROM t", "select")]
    assert read_pairs(path, path) == (expected, ["line 2", "line 4"])
    assert read_pairs(write("gold.sql", GOLD), path)[0] == expected
    assert [pair.pred for pair in read_pairs(path, path, "refiner")[0]] == ["SELECT 9"]
    write_jsonl(path, [rows[0], rows[1]])
    with pytest.raises(UserError, match="holds no answers of the refiner: choose one of decomposer, selector"):
        read_pairs(path, path, "refiner")


@pytest.mark.parametrize(
    ("gold", "pred", "sentence"),
    [
        (GOLD, "SELECT 1\n", r"1 predictions for the 2 gold queries of .*: line 2 of .*gold.sql has no partner"),
        (GOLD, "SELECT 1\n\n", r"line 2 of .*gold.sql has no partner"),
        (GOLD, "1\n2\n3\n", r"line 3 of .*pred.sql has no partner"),
        (GOLD, "SELECT 1\n \nSELECT 2\n", r"pred.sql, line 2 is empty: .* an empty answer is `select`"),
        ("SELECT 1\ta\n\nSELECT 2\tb\n", "1\n2\n3\n", r"gold.sql, line 2 is empty"),
        ("SELECT 1\n", "SELECT 1\n", r"gold.sql, line 1: a gold line is `SQL<TAB>db_id`"),
        ("SELECT\t1\tdb\n", "SELECT 1\n", r"gold.sql, line 1: a gold line"),
        ("", "SELECT 1\n", r"gold.sql holds no queries"),
        (GOLD, "", r"pred.sql holds no queries"),
        (b"SELECT 1\ta\nSELECT '\xff'\ta\n", "1\n2\n", r"gold.sql, line 2: not UTF-8"),
    ],
)
def test_bad_lines(write, gold, pred, sentence):
    with pytest.raises(UserError, match=sentence):
        read_pairs(write("gold.sql", gold), write("pred.sql", pred))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"0": "SELECT 1", "2": "SELECT 2"}, r'the key "2" stands where "1" should'),
        ({"1": "SELECT 1", "0": "SELECT 2"}, r'the key "1" stands where "0" should'),
        ({"0": f"SELECT 1{MARK}two", "1": f"SELECT 2{MARK}one"}, r"for database 'two' where .* line 1\) is for 'one'"),
        ([["Q1", "SELECT 1"], ["Q2"]], r"item 2: MAC-SQL's items"),
        ([["Q1", "SELECT 1"], 5], r"is not BIRD's object"),
        ([{"db_id": "one"}, {"db_id": "two"}], r"item 1: not an object with pred"),
        ('{"0": "SELECT 1"', r"line 1: not JSON"),
        ("5", r"is not BIRD's object"),
    ],
)
def test_bad_json(write, content, sentence):
    with pytest.raises(UserError, match=sentence):
        read_pairs(write("gold.sql", GOLD), write("pred.json", content))


def test_bad_own_predictions(write):
    with pytest.raises(UserError, match="line 2: not a Prediction"):
        read_pairs(
            write("gold.sql", GOLD),
            write(
                "p.jsonl",
                '{"output": "x"}\n{"output": "y"}\n'.replace(
                    '{"output": "x"}', json.dumps(vars(answer("decomposer", "one", "", "x")))
                ),
            ),
        )


@pytest.mark.parametrize("missing", ["gold", "pred"])
def test_missing_file(write, tmp_path, missing):
    paths = {"gold": write("gold.sql", GOLD), "pred": write("pred.sql", "1\n2\n"), missing: tmp_path / "nowhere.sql"}
    with pytest.raises(UserError, match=r"There is no file .*nowhere.sql"):
        read_pairs(**paths)
