"""The score command: files in, a table and verdicts out, one sentence for each mistake."""

import json
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from macsql.protocols.by_name import PROTOCOLS
from macsql.score import main

DATA = Path(__file__).parent / "protocols" / "data"
GOLD = [
    "SELECT name FROM member",
    "SELECT name FROM member WHERE age = 30",
    "SELECT name FROM member WHERE age > 30 ORDER BY age LIMIT 1",
    "SELECT T1.name FROM member AS T1 JOIN visit AS T2 ON T1.id = T2.member_id WHERE T2.year = '2019'",
]
PRED = [
    "select name from member",
    "SELECT name FROM `member` WHERE age=30",
    "select title from member",
    "select T1.name from member as T1 join visit as T2 on T1.id = T2.member_id where T2.year = '2020'",
]
TABLES = [
    {
        "db_id": "club",
        "table_names_original": ["member", "visit"],
        "column_names_original": [[-1, "*"], [0, "id"], [0, "name"], [0, "age"], [1, "member_id"], [1, "year"]],
        "foreign_keys": [[4, 1]],
    }
]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "database" / "club").mkdir(parents=True)
    connection = sqlite3.connect(tmp_path / "database" / "club" / "club.sqlite")
    connection.executescript((DATA / "club.sql").read_text())
    connection.close()
    (tmp_path / "gold.sql").write_text("".join(f"{sql}\tclub\n" for sql in GOLD))
    (tmp_path / "pred.sql").write_text("".join(f"{sql}\n" for sql in PRED))
    (tmp_path / "tables.json").write_text(json.dumps(TABLES))
    return tmp_path


def score(folder, protocol, *more):
    flags = {"--gold": "gold.sql", "--pred": "pred.sql", "--db": "database", "--out": "out.jsonl"}
    paths = [part for flag, name in flags.items() if flag not in more for part in (flag, str(folder / name))]
    return main(["--protocol", protocol, *paths, "--workers", "1", *map(str, more)])


def verdicts(folder):
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def test_verdicts_and_table(files, capsys):
    assert score(files, "spider-em,spider-ex,bird-soft-f1") == 0
    rows = verdicts(files)
    assert [row["index"] for row in rows] == [0, 1, 2, 3]
    assert [row["gold"] for row in rows] == GOLD
    assert [row["pred"] for row in rows] == PRED
    assert {row["db_id"] for row in rows} == {"club"}
    assert [row["hardness"] for row in rows] == ["easy", "easy", "hard", "medium"]
    assert [row["spider-em"] for row in rows] == [True, False, False, True]
    assert [row["spider-ex"] for row in rows] == [True, True, False, False]
    assert [row["bird-soft-f1"] for row in rows] == [1.0, 1.0, 0.0, 0.0]
    assert [row["outcomes"]["spider-ex"] for row in rows] == ["ok", "ok", "no such column", "ok"]
    printed = capsys.readouterr().out
    assert re.search(r"^ +easy +medium +hard +extra +all$", printed, re.MULTILINE)
    assert re.search(r"^count +2 +1 +1 +0 +4$", printed, re.MULTILINE)
    assert re.search(r"^spider-em +50\.00 +100\.00 +0\.00 +- +50\.00$", printed, re.MULTILINE)
    assert re.search(r"^spider-ex +100\.00 +0\.00 +0\.00 +- +50\.00$", printed, re.MULTILINE)
    assert "spider-ex: 2 right of 4; ok 3, no such column 1" in printed
    assert "spider-em: 2 right of 4; read 2, not in the grammar 2" in printed
    assert re.search(r"^data [0-9a-f]{16} · time limit 30 s$", printed, re.MULTILINE)


def test_the_grammar_is_a_column_of_its_own(files, capsys):
    assert score(files, "spider-em", "--spider-grammar") == 0
    rows = verdicts(files)
    assert [row["spider-em"] for row in rows] == [True, False, False, True]
    assert [row["spider-em-grammar"] for row in rows] == [True, True, False, True]
    assert rows[1]["outcomes"]["spider-em-grammar"] == "rewritten"
    assert "spider-em-grammar: 3 right of 4" in capsys.readouterr().out


def test_flags_reach_the_protocol(files, capsys):
    (files / "gold.sql").write_text(
        "SELECT DISTINCT place FROM visit\tclub\nSELECT name FROM member WHERE age = 30\tclub\n"
    )
    (files / "pred.sql").write_text("SELECT place FROM visit\nSELECT name FROM member WHERE age = 5\n")
    found = []
    for flags in ([], ["--keep-distinct"], ["--plug-value"]):
        assert score(files, "spider-ex", *flags, "--time-limit", "7.5") == 0
        found.append([row["spider-ex"] for row in verdicts(files)])
    assert found == [[True, False], [False, False], [True, True]]
    printed = capsys.readouterr().out
    assert "time limit 7.5 s · keep-distinct" in printed
    assert "time limit 7.5 s · plug-value" in printed


def test_every_protocol_has_a_verdict_for_every_question(files):
    assert score(files, ",".join(PROTOCOLS), "--ves-repeats", "2") == 0
    for row in verdicts(files):
        for name in PROTOCOLS:
            assert isinstance(row[name], bool | float), name


def test_gold_errors_are_counted_and_named(files, capsys):
    lines = [*GOLD[:2], "SELECT title FROM member", "SELECT name FROM member WHERE EXISTS (SELECT 1)"]
    (files / "gold.sql").write_text("".join(f"{sql}\tclub\n" for sql in lines))
    assert score(files, "spider-em,spider-ex,bird-ex,bird-ex-fixed") == 0
    rows = verdicts(files)
    assert [row["hardness"] for row in rows] == ["easy", "easy", "unknown", "unknown"]
    assert [row["spider-em"] for row in rows] == [True, False, None, None]
    assert [row["spider-ex"] for row in rows] == [True, True, None, False]
    assert [row["bird-ex"] for row in rows] == [True, True, False, False]  # its script scores a gold error 0
    assert [row["bird-ex-fixed"] for row in rows] == [True, True, None, False]
    printed = capsys.readouterr().out
    assert "spider-ex: 2 right of 3; ok 3, gold error 1" in printed
    assert "  gold error, line 3: no such column: title" in printed
    assert re.search(r"^spider-ex +100\.00 +- +- +- +0\.00 +66\.67$", printed, re.MULTILINE)


def test_hostile_predictions_get_their_verdicts(files):
    hostile = [
        "DROP TABLE member",
        "ATTACH 'new.db' AS other",
        "SELECT \0",
        "\udcff",
        "SELECT " + "(" * 3000,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "SELECT instr(hex(zeroblob(9000000)), hex(zeroblob(4000000)) || 'x')",
        "\u2028",
        "",
    ]
    before = (files / "database" / "club" / "club.sqlite").read_bytes()
    (files / "gold.sql").write_text("SELECT name FROM member\tclub\n" * len(hostile))
    (files / "pred.json").write_text(json.dumps({str(key): sql for key, sql in enumerate(hostile)}))
    names = [name for name in PROTOCOLS if "ves" not in name]
    flags = ["--pred", files / "pred.json", "--time-limit", "0.5", "--plug-value", "--partial"]
    assert score(files, ",".join(names), *flags) == 0
    for row in verdicts(files):
        assert [row[name] for name in names if row[name]] == []
    assert (files / "database" / "club" / "club.sqlite").read_bytes() == before
    assert [path.name for path in (files / "database" / "club").iterdir()] == ["club.sqlite"]


def test_many_gold_errors_are_counted(files, capsys):
    (files / "gold.sql").write_text("SELECT title FROM member\tclub\n" * 8)
    (files / "pred.sql").write_text("SELECT 1\n" * 8)
    assert score(files, "spider-ex") == 0
    printed = capsys.readouterr().out
    assert printed.count("  gold error, line") == 5
    assert "... and 3 more gold errors" in printed


def test_partial(files, capsys):
    assert score(files, "spider-em", "--partial") == 0
    accuracy, recall, f1 = re.findall(r"^where +(.*)$", capsys.readouterr().out, re.MULTILINE)
    #        easy: one where in gold, unreadable prediction; medium: right; hard: gold has one, unreadable
    assert accuracy.split() == ["0.000", "1.000", "0.000", "0.000", "1.000"]
    assert recall.split() == ["0.000", "1.000", "0.000", "0.000", "0.333"]
    assert f1.split() == ["1.000", "1.000", "1.000", "0.000", "0.500"]


def test_the_fingerprint_is_of_gold_and_rows(files, capsys):
    def fingerprint():
        assert score(files, "spider-ex") == 0
        return re.search(r"data (\w+)", capsys.readouterr().out)[1]

    first = fingerprint()
    (files / "pred.sql").write_text("SELECT 1\n" * 4)
    assert fingerprint() == first
    connection = sqlite3.connect(files / "database" / "club" / "club.sqlite")
    connection.executescript("INSERT INTO log VALUES ('x')")
    connection.close()
    second = fingerprint()
    (files / "gold.sql").write_text((files / "gold.sql").read_text().replace("30", "31"))
    assert len({first, second, fingerprint()}) == 3


@pytest.mark.parametrize(
    ("protocol", "flags", "sentence"),
    [
        ("spider-exx", [], "There is no protocol 'spider-exx': choose from spider-em, "),
        (",", [], "No protocol is given: choose from spider-em, "),
        ("spider-ex", ["--gold", "nowhere.sql"], "There is no file nowhere.sql: give the gold file."),
        ("spider-ex", ["--db", "nowhere"], "There is no folder nowhere: "),
        (
            "spider-em",
            ["--tables", "nowhere.json"],
            "There is no file nowhere.json: spider-em needs Spider's tables.json",
        ),
        ("spider-ex", ["--time-limit", "soon"], "Argument --time-limit: 'soon' is not a number of seconds above 0"),
        ("spider-ex", ["--workers", "1" + "0" * 20], "a sandbox has at most 1000 workers, each a process"),
        ("spider-ex", ["--workers", "0"], "Argument --workers: '0' is not a whole number above 0"),
        ("spider-ex", ["--out", "/dev/null/out"], "/dev/null/out cannot be written (Not a directory): "),
        ("spider-ex", ["--agent", "selector"], "Argument --agent: invalid choice: 'selector'"),
    ],
)
def test_bad_flags(files, capsys, protocol, flags, sentence):
    assert score(files, protocol, *flags) == 1
    told = capsys.readouterr().err
    assert told.startswith(sentence)
    assert told.count("\n") == 1
    assert not (files / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("gold.sql", "SELECT 1\tnowhere\n" * 4, "gold.sql, line 1: there is no database 'nowhere', which would be"),
        ("gold.sql", "SELECT 1\n" * 4, "gold.sql, line 1: a gold line is `SQL<TAB>db_id`"),
        ("pred.sql", "SELECT 1\n" * 3, "pred.sql holds 3 predictions for the 4 gold queries of"),
        ("pred.sql", "SELECT 1\n\nSELECT 1\nSELECT 1\n", "pred.sql, line 2 is empty"),
        ("tables.json", "[]", "gold.sql, line 1: tables.json has no database 'club', spider-em needs it."),
        ("tables.json", "{}", "gold.sql, line 1: tables.json has no database 'club', spider-em needs it."),
        ("tables.json", "[5]", "tables.json is not Spider's tables.json"),
        ("tables.json", "[", "tables.json is not JSON (Expecting value"),
        ("database/club/club.sqlite", "no database", "club.sqlite: not readable as an SQLite database"),
    ],
)
def test_bad_files(files, capsys, name, text, sentence):
    (files / name).write_text(text)
    assert score(files, "spider-em,spider-ex") == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_a_file(files, capsys, encoding):
    assert score(files, "spider-em,spider-ex") == 0
    plain = capsys.readouterr().out
    for name in ("gold.sql", "pred.sql", "tables.json"):
        text = (files / name).read_text()
        (files / name).write_text(text, encoding=encoding)
    assert score(files, "spider-em,spider-ex") == 0
    assert capsys.readouterr().out == plain


DEEP = "[" * 100_000
LONG = "d" * 300
ANSWER = {"id": "1", "agent": "decomposer", "question_id": "q", "db_id": "club", "question": "", "gold_sql": "SELECT 1"}
ANSWER |= {"target": "", "raw_output": "", "output": "SELECT 1"}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("gold.json", DEEP, "gold.json, line 1: not JSON (it is nested too deeply)"),
        ("pred.json", DEEP, "pred.json, line 1: not JSON (it is nested too deeply)"),
        ("pred.json", '{"0": ' + DEEP, "pred.json, line 1: not JSON (it is nested too deeply)"),
        ("tables.json", DEEP, "tables.json is not JSON (it is nested too deeply)"),
        ("tables.json", b"\x80[]", "tables.json is not UTF-8 text"),
        ("gold.sql", f"SELECT 1\t{LONG}\n", "cannot be used (File name too long)"),
        ("gold.sql", "SELECT 1\t../database/club\n", "there is no database '../database/club'"),
        ("gold.sql", "SELECT 1\tcl\0ub\n", r"there is no database 'cl\x00ub'"),
        ("gold.sql", b"SELECT '\xff'\tclub\n", "gold.sql, line 1: not UTF-8 text"),
        ("gold.sql", "", "gold.sql holds no queries."),
        ("gold.sql", "\n\n", "gold.sql holds no queries."),
        ("gold.json", "[]", "gold.json is not a corpus's questions"),
        ("gold.json", '[{"db_id": "club"}]', "gold.json, item 1: not an object with db_id and query"),
        (
            "gold.json",
            '[{"db_id": null, "query": "SELECT 1"}]',
            "gold.json, item 1: not an object with db_id and query",
        ),
        ("pred.json", "5", "pred.json is not BIRD's object or MAC-SQL's list"),
        ("pred.json", '[["a"]]', "pred.json, item 1: MAC-SQL's items are"),
        ("pred.json", '{"1": "SELECT 1"}', 'the key "1" stands where "0" should'),
        ("pred.json", '[{"pred": NaN}]', "pred.json, item 1: not an object with pred"),
        (
            "pred.jsonl",
            json.dumps({**ANSWER, "output": None}),
            "line 1: not a Prediction (output is not a text)",
        ),
        ("pred.jsonl", json.dumps({**ANSWER, "agent": 5}), "pred.jsonl, line 1: not a Prediction (agent is none of"),
        ("pred.jsonl", json.dumps({**ANSWER, "x" * 5000: 5}), "pred.jsonl, line 1: not a Prediction ("),
        ("pred.jsonl", json.dumps({**ANSWER, "agent": "refiner"}), "holds no answers of the decomposer"),
    ],
)
def test_malformed_files_are_one_sentence(files, capsys, name, content, sentence):
    (files / "gold.sql").write_text("SELECT 1\tclub\n")
    (files / "pred.sql").write_text("SELECT 1\n")
    (files / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    flag = "--" + name.split(".")[0]
    assert score(files, "spider-em,spider-ex", flag, files / name) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert len(told) < 700


def test_answers_are_left_as_the_official_scripts_read_them(files, capsys):
    (files / "gold.sql").write_text("SELECT 1\tclub\n")
    (files / "predictions.jsonl").write_text(json.dumps(ANSWER) + "\n")
    flags = ["--pred", files / "predictions.jsonl", "--export", f"bird={files / 'bird'}"]
    assert score(files, "spider-ex", *flags) == 0
    assert f"Written: {files / 'bird' / 'predict.json'}" in capsys.readouterr().out
    bird = files / "bird"
    assert score(files, "bird-ex", "--pred", bird / "predict.json", "--gold", bird / "gold.sql") == 0
    assert score(files, "spider-ex", *flags[:2], "--export", "spyder") == 1
    assert "There is no format 'spyder': choose one of spider, bird, mac-sql." in capsys.readouterr().err
    (files / "pred.sql").write_text("SELECT 1\n")
    assert score(files, "spider-ex", "--export", "bird") == 1
    assert "pred.sql, line 1: not a Prediction" in capsys.readouterr().err


def test_a_required_flag(capsys):
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("The following arguments are required: --protocol, --gold, --pred, --db")


def test_help_is_quick():
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "macsql.score", "--help"], capture_output=True, text=True, check=True)
    assert time.perf_counter() - begun < 2
    assert all(name in done.stdout for name in PROTOCOLS)


def test_it_does_without_heavy_imports(files):
    program = (
        "import sys; from macsql.score import main; code = main(sys.argv[1:]);"
        "assert not {'torch', 'sqlglot', 'omegaconf', 'rich'} & set(sys.modules); sys.exit(code)"
    )
    paths = ["--gold", files / "gold.sql", "--pred", files / "pred.sql", "--db", files / "database"]
    command = [sys.executable, "-c", program, "--protocol", "spider-em,spider-ex", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["spider_llm", "spider_t5"])
def test_official_verdicts(shared, tmp_path, name):
    rows = [json.loads(line) for line in (shared / "parity" / f"{name}.jsonl").read_text().splitlines()]
    (tmp_path / "gold.sql").write_text("".join(f"{row['gold']}\t{row['db_id']}\n" for row in rows))
    (tmp_path / "pred.sql").write_text("".join(f"{row['pred']}\n" for row in rows))
    spider = shared / "data" / "spider"
    assert score(tmp_path, "spider-em,spider-ex,bird-ex", "--db", spider / "database") == 0
    official = {"spider-em": "exact", "spider-ex": "exec", "bird-ex": "bird_ex", "hardness": "hardness"}
    differ = [
        (row, own)
        for row, own in zip(rows, verdicts(tmp_path), strict=True)
        if any(own[ours] != row[theirs] for ours, theirs in official.items())
    ]
    assert differ == []
