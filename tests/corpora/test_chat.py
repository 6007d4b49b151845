"""Chat JSONL: whose prompt it is, what it says, and which lines are no examples."""

import json

import pytest

from macsql.config import DataConfig
from macsql.corpora import chat_prompts, read
from macsql.corpora.chat import as_row, read_examples
from macsql.errors import UserError
from macsql.records import Example

SELECTOR = """You work as an experienced database administrator. Example:
【DB_ID】 example_db
【Schema】
# Table: wrong
【Question】
What about the example?
【Answer】
Now your turn.
【DB_ID】 zoo
【Schema】
# Table: animal
[(name, name.)]
# Table: keeper
[(name, name.)]
【Foreign keys】
【Question】
How many animals are there?
【Evidence】
animals refers to table animal

【Answer】
"""
DECOMPOSER = """Given a 【Database schema】 description, an 【Evidence】 and the 【Question】, answer it.
【Database schema】
# Table: animal
[(name, name.)]
【Foreign keys】

【Question】
How many animals are there?
【Evidence】
animals refers to table animal

Decompose the question into sub questions, considering 【Constraints】:
"""
REFINER = """【Instruction】
Repair it. A 【Database schema】 follows.
【Query】
-- How many animals are there?
【Evidence】
animals refers to table animal
【Database info】
# Table: animal
【old SQL】
```sql
SELECT count(*) FROM animals
```
【SQLite error】
no such table: animals
【Exception class】
<class 'sqlite3.OperationalError'>

Now write it anew.
【correct SQL】
"""
GOLD = "SELECT count(*)\nFROM animal"
STEPS = (
    "Sub question 1: all\nSQL\n```sql\nSELECT 1\n```\n\n"
    f"Sub question 2: count\nSQL\n```sql\n{GOLD}\n```\n\nQuestion Solved."
)


def turns(prompt, answer, *system):
    roles = [*({"role": "system", "content": text} for text in system)]
    return {"messages": [*roles, {"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def write(path, *rows):
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.mark.parametrize(
    ("prompt", "agent"),
    [
        (SELECTOR, "selector"),
        (DECOMPOSER, "decomposer"),
        (REFINER, "refiner"),
        ("As a Database Administrator, pick tables.", "selector"),
        ("As a database-administrator, pick tables.", "selector"),
        ("Please decompose the question into sub questions.", "decomposer"),
        ("Decompose the question into subquestions", "decomposer"),
        ("【Database schema】\n# Table: t", "decomposer"),
        ("Given the following 【Database schema】 …", "decomposer"),
        ("You are given a 【Database schema】 and more", "decomposer"),
        # the order: each of these also shows what belongs to a later rule
        ("【DB_ID】 x 【SQLite error】 y", "refiner"),
        ("【old SQL】 Decompose the question into sub questions", "refiner"),
        ("【DB_ID】 x. Decompose the question into sub questions", "selector"),
        # never guessed
        ("Translate: 【Question】 How many?", None),
        ("Answer from a table. Later comes the 【Database schema】 of it", None),
        ("old SQL: SELECT 1", None),
        ("", None),
    ],
)
def test_agent_of(prompt, agent):
    assert chat_prompts.agent_of(prompt) == agent


def test_reads_what_prompts_say(tmp_path):
    path = write(
        tmp_path / "rows.jsonl",
        turns(SELECTOR, '```json\n{"animal": "keep_all"}\n```', "") | {"weight": 3, "source": "anywhere"},
        turns(DECOMPOSER, STEPS),
        turns(REFINER, f"```sql\n{GOLD}\n```", "Be brief."),
    )
    file = read_examples(path)
    selector, decomposer, refiner = file.examples
    assert file.counts == {"selector": 1, "decomposer": 1, "refiner": 1}
    assert (selector.source, decomposer.source, refiner.source) == (SELECTOR, DECOMPOSER, "Be brief.\n" + REFINER)
    assert {e.question for e in file.examples} == {"How many animals are there?"}
    assert {e.gold_sql for e in file.examples} == {GOLD}  # the Selector's comes from its question's other rows
    assert {e.db_id for e in file.examples} == {"zoo"}  # and the other rows' database from the Selector's
    assert len({e.question_id for e in file.examples}) == 1
    assert len({e.id for e in file.examples}) == 3
    assert (refiner.broken_sql, refiner.error) == ("SELECT count(*) FROM animals", "no such table: animals")
    assert set(file.evidence.values()) == {"animals refers to table animal"}
    assert decomposer.target == STEPS


BAD = [
    (b"{", "not JSON"),
    (b"\xff\xfe", "not JSON in UTF-8"),
    (b"[1]", "an object is expected, not [1]"),
    (b"{}", "no `messages`"),
    (b'{"messages": "x"}', "no list of turns under `messages`"),
    (b'{"messages": ["x"]}', "no list of turns under `messages`"),
    (b'{"conversations": {}}', "no list of turns under `conversations`"),
    ({"messages": []}, "no turns"),
    ({"messages": [{"role": "user", "content": "x"}]}, "turns of [user]"),
    ({"messages": turns("x", "y")["messages"] * 2}, "turns of [user, assistant, user, assistant]"),
    ({"messages": [*turns("x", "y")["messages"], {"role": "tool", "content": "z"}]}, "of the role 'tool'"),
    ({"messages": [{"content": "x"}]}, "of the role null"),
    (turns("【DB_ID】", ""), "an empty assistant turn"),
    (turns(" \n", "x"), "an empty user turn"),
    (turns(None, "x"), "user turn: null is not a text"),
    (turns("x", 3), "assistant turn: 3 is not a text"),
    (turns([{"type": "image_url", "image_url": "x"}], "x"), "user turn: a part that is not a text ('image_url')"),
    (turns([{"type": "text", "text": None}], "x"), "a part that is not a text"),
    ({"instruction": "x", "output": ["y", None]}, "output: a part that is not a text (null)"),
    ({"instruction": "x", "output": "y", "history": [["a", "b"]]}, "`history`"),
    (turns("【DB_ID】", "x") | {"split": "holdout"}, "split 'holdout', which is not train, eval or test"),
    (turns("【DB_ID】", "x") | {"split": ["test"]}, "split ['test'], which"),
    (turns("【DB_ID】", "x") | {"agent": "planner"}, "agent 'planner', which is none of selector"),
    (b"[" * 100_000, "not JSON (it is nested too deeply)"),
]


def test_malformed_and_unknown_lines_are_numbered(tmp_path):
    good = turns(DECOMPOSER, STEPS)
    path = write(tmp_path / "rows.jsonl", good, *(row for row, _ in BAD), b"", turns("Sing!", "La"), good)
    file = read_examples(path)
    assert len(file.examples) == 2
    assert file.unknown == (len(BAD) + 3,)
    assert list(file.malformed) == list(range(2, len(BAD) + 2))
    for (_, reason), told in zip(BAD, file.malformed.values(), strict=True):
        assert reason in told
    sentences = " ".join(file.sentences())
    assert f"2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and {len(BAD) - 10} more (line 2:" in sentences
    assert f"none of the three agents: {len(BAD) + 3}" in sentences


@pytest.mark.parametrize(("row", "reason"), BAD)
def test_strict_refuses_the_first_malformed_line(tmp_path, row, reason):
    path = write(tmp_path / "rows.jsonl", turns(DECOMPOSER, STEPS), row)
    with pytest.raises(UserError, match=r"rows.jsonl, line 2: ") as caught:
        read_examples(path, strict=True)
    assert reason in str(caught.value)


def test_the_true_file_is_known_by_its_counts(tmp_path):
    rows = [turns(DECOMPOSER, STEPS)] * 2029 + [turns(SELECTOR, "{}")] * 1009 + [turns(REFINER, "x")] * 337
    file = read_examples(write(tmp_path / "sql-llama.jsonl", *rows))
    assert file.is_sql_llama
    assert "2029 Decomposer, 1009 Selector, 337 Refiner, 0 unknown: as SQL-Llama's" in file.sentences()[0]
    fewer = read_examples(write(tmp_path / "fewer.jsonl", *rows[1:]))
    assert not fewer.is_sql_llama
    assert "not SQL-Llama's 2029, 1009, 337" in fewer.sentences()[0]


def test_own_rows_come_back_as_they_were(tmp_path):
    examples = [
        Example("q1/selector", "selector", "q1", "zoo", "select: how many? | schema: a", "{}", "how many?", "SELECT 1"),
        Example(
            "q1/refiner/0",
            "refiner",
            "q1",
            "zoo",
            "refine: x",
            "```sql\nSELECT 1\n```",
            "how many?",
            "SELECT 1",
            "X",
            "e",
        ),
        Example("q2/decomposer", "decomposer", "q2", "", "decompose: 【DB_ID】", "y", "", ""),
    ]
    path = write(tmp_path / "built.jsonl", *map(as_row, examples))
    assert read_examples(path).examples == tuple(examples)
    assert [turn["role"] for turn in as_row(examples[0])["messages"]] == ["system", "user", "assistant"]


def data(root, **keys):
    return DataConfig(format="chat", root=str(root), **keys)


def rows_for(number):
    return [
        turns(prompt.replace("How many animals are there?", f"How many animals are there in cage {number}?"), answer)
        for prompt, answer in ((SELECTOR, "{}"), (DECOMPOSER, STEPS), (REFINER, f"```sql\n{GOLD}\n```"))
    ]


def test_corpus_keeps_the_rows_of_a_question_together(tmp_path):
    write(tmp_path / "rows.jsonl", *(row for n in range(40) for row in rows_for(n)), turns("Sing!", "La"), b"{")
    corpus = read(data(tmp_path), tmp_path)
    assert len(corpus.examples) == 120
    assert [len(corpus.of(split)) for split in ("train", "eval", "test")] == [32, 4, 4]
    assert [len(corpus.examples_of(split)) for split in ("train", "eval", "test")] == [96, 12, 12]
    assert corpus.skipped == {"row that addresses none of the three agents": 1, "malformed line": 1}
    assert corpus.databases == {}
    assert any("execution metrics do not apply" in note for note in corpus.notes)
    limited = read(data(tmp_path, limit=2), tmp_path)
    assert (len(limited.questions), len(limited.examples)) == (6, 18)
    assert read(data(tmp_path / "rows.jsonl"), tmp_path).questions == corpus.questions  # the file itself


def test_stated_splits_hold(tmp_path):
    rows = [row | {"split": split} for n, split in enumerate(["train", "eval", "test"]) for row in rows_for(n)]
    write(tmp_path / "rows.jsonl", *rows)
    corpus = read(data(tmp_path), tmp_path)
    assert [q.split for q in corpus.questions] == ["train", "eval", "test"]


def test_databases_are_found_by_name_or_by_the_tables_shown(tmp_path, make_sqlite):
    make_sqlite(tmp_path / "db/zoo/zoo.sqlite", "CREATE TABLE animal (name); CREATE TABLE keeper (name);")
    make_sqlite(tmp_path / "db/farm/farm.sqlite", "CREATE TABLE cow (name);")
    hidden = [row for row in rows_for(1) if row["messages"][0]["content"].find("DB_ID") < 0]
    lost = turns(DECOMPOSER.replace("animal", "ghost"), STEPS)
    write(tmp_path / "rows.jsonl", *hidden, lost)
    corpus = read(data(tmp_path, database_root=str(tmp_path / "db")), tmp_path)
    assert [e.db_id for e in corpus.examples] == ["zoo", "zoo", ""]
    assert corpus.databases.keys() == {"zoo"}
    assert any("1 row names no database" in note for note in corpus.notes)
    with pytest.raises(UserError, match=r"database_root=.* does not exist"):
        read(data(tmp_path, database_root=str(tmp_path / "nothing")), tmp_path)


def test_a_damaged_database_is_counted_and_named(tmp_path, make_sqlite):
    make_sqlite(tmp_path / "db/zoo/zoo.sqlite", "CREATE TABLE animal (name); CREATE TABLE keeper (name);")
    (tmp_path / "db" / "torn.sqlite").write_bytes(b"This is not a database, and longer than a header would be. " * 40)
    write(tmp_path / "rows.jsonl", *rows_for(1))
    corpus = read(data(tmp_path, database_root=str(tmp_path / "db")), tmp_path)
    assert corpus.databases.keys() == {"zoo"}
    assert corpus.skipped == {"database file that cannot be read (file is not a database)": 1}
    assert any("torn.sqlite" in note for note in corpus.notes)
    (tmp_path / "db" / "zoo" / "zoo.sqlite").unlink()
    with pytest.raises(UserError, match=r"No database under data\.database_root=.* can be read: .*torn\.sqlite"):
        read(data(tmp_path, database_root=str(tmp_path / "db")), tmp_path)


def test_lists_beside_lines_are_named(tmp_path):
    write(tmp_path / "rows.jsonl", *rows_for(1))
    (tmp_path / "more.json").write_text(json.dumps(rows_for(2)))
    corpus = read(data(tmp_path), tmp_path)
    assert len(corpus.examples) == 3
    assert "Not read, because *.jsonl files lie beside them: more.json." in corpus.notes
    (tmp_path / "rows.jsonl").unlink()
    assert len(read(data(tmp_path), tmp_path).examples) == 3


def test_files_with_the_same_ids_do_not_collide(tmp_path):
    rows = [row | {"id": f"r{k}"} for k, row in enumerate(rows_for(1))]
    write(tmp_path / "a.jsonl", *rows)
    write(tmp_path / "b.jsonl", *rows)
    corpus = read(data(tmp_path), tmp_path)
    assert len({e.id for e in corpus.examples}) == 6
    write(tmp_path / "b.jsonl", *(row | {"id": f"r{k}", "split": "test"} for k, row in enumerate(rows_for(2))))
    corpus = read(data(tmp_path), tmp_path)
    assert [question.split for question in corpus.questions] == ["train", "test"]


def test_folders_without_rows_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds nothing; expected one or more \*.jsonl"):
        read(data(tmp_path), tmp_path)
    write(tmp_path / "rows.jsonl", turns("Sing!", "La"))
    with pytest.raises(UserError, match=r"No row in .*: 1 row addresses none of the three agents \(name it"):
        read(data(tmp_path), tmp_path)
    write(tmp_path / "rows.jsonl", {"messages": None}, {"x": 1})
    with pytest.raises(UserError, match=r"an example: 2 rows are malformed \(rows\.jsonl, line 1: no `messages`"):
        read(data(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"rows\.jsonl is empty: expected"),
        ("\n\n", r"rows\.jsonl is empty: expected"),
        ("[]", r"rows\.jsonl is empty: expected"),
        ('{"messages": []}', r"1 row is malformed \(rows\.jsonl, line 1: no turns\)\.$"),
        ('{"messages": [{"role": "system", "content": "x"}]}', r"line 1: no turns but of the system\)\.$"),
    ],
)
def test_a_file_without_an_example_is_told_in_plain_words(tmp_path, text, sentence):
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read(data(tmp_path), tmp_path)


PARTS = [{"type": "text", "text": DECOMPOSER[:40]}, {"type": "text", "text": DECOMPOSER[40:]}]
LAYOUTS = {
    "parts": turns(PARTS, [{"type": "text", "text": STEPS}]),
    "developer": turns(DECOMPOSER, STEPS) | {"messages": [
        {"role": "developer", "content": ""}, *turns(DECOMPOSER, STEPS)["messages"]]},
    "ShareGPT": {"conversations": [
        {"from": "system", "value": " "}, {"from": "human", "value": DECOMPOSER}, {"from": "gpt", "value": STEPS}]},
    "Alpaca": {"instruction": DECOMPOSER, "input": "", "output": STEPS},
    "Alpaca in two": {"instruction": DECOMPOSER[:DECOMPOSER.index("\n")],
                      "input": DECOMPOSER[DECOMPOSER.index("\n") + 1 :], "output": STEPS, "history": []},
    "TRL": {"prompt": DECOMPOSER, "completion": STEPS},
    "TRL, messages": {"prompt": turns(DECOMPOSER, "")["messages"][:1], "completion": turns("", STEPS)["messages"][1:]},
    "a table's row": turns(DECOMPOSER, STEPS) | {"conversations": None, "agent": None, "split": None, "id": None},
    "another's": turns(DECOMPOSER, STEPS) | {"agent": "", "split": float("nan"), "id": float("nan"), "db_id": None},
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_that_say_the_same_are_read_the_same(tmp_path, layout):
    plain = read_examples(write(tmp_path / "rows.jsonl", turns(DECOMPOSER, STEPS))).examples
    assert read_examples(write(tmp_path / "rows.jsonl", LAYOUTS[layout])).examples == plain


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("array", [False, True])
def test_a_file_is_read_in_any_encoding_as_lines_or_one_array(tmp_path, encoding, array):
    rows = [turns(DECOMPOSER, STEPS), turns(REFINER, "```sql\nSELECT 'ü😀'\n```")]
    expected = read_examples(write(tmp_path / "rows.jsonl", *rows)).examples
    lines = [json.dumps(row, ensure_ascii=False, indent=1 if array else None) for row in rows]
    text = f"\n[{', '.join(lines)}]\n" if array else "\r\n".join(lines)
    (tmp_path / "rows.jsonl").write_bytes(text.encode(encoding))
    assert read_examples(tmp_path / "rows.jsonl").examples == expected


def test_half_characters_are_replaced(tmp_path):
    row = b'{"messages": [{"role": "user", "content": "\\u3010DB_ID\\u3011 \\ud83d x \\ud83d\\ude00"}, '
    path = write(tmp_path / "rows.jsonl", row + b'{"role": "assistant", "content": "\\ude00"}], "db_id": "\\ud800"}')
    (example,) = read_examples(path).examples
    assert (example.source, example.target, example.db_id) == ("【DB_ID】 \ufffd x 😀", "\ufffd", "\ufffd")


def test_a_list_of_objects_may_lie_in_a_folder(tmp_path):
    (tmp_path / "rows.json").write_text(json.dumps(rows_for(1) + rows_for(2) + rows_for(3)))
    assert len(read(data(tmp_path), tmp_path).examples) == 9


@pytest.mark.parametrize(
    ("word", "split"), [("validation", "eval"), ("dev", "eval"), ("Valid ", "eval"), ("TEST", "test")]
)
def test_words_for_the_parts(tmp_path, word, split):
    rows = [row | {"split": stated} for n, stated in enumerate(["train", "test", word]) for row in rows_for(n)]
    write(tmp_path / "rows.jsonl", *rows)
    corpus = read(data(tmp_path), tmp_path)
    assert corpus.questions[-1].split == split


def test_what_rows_leave_open_or_say_twice_is_told(tmp_path):
    first, second = rows_for(1), rows_for(2)
    write(tmp_path / "rows.jsonl", first[0] | {"split": "test"}, first[1] | {"split": "train"}, *second)
    corpus = read(data(tmp_path, eval_fraction=0.0), tmp_path)
    assert [question.split for question in corpus.questions] == ["test", "train"]
    notes = " ".join(corpus.notes)
    assert f"state different splits, the first of them counts: {corpus.questions[0].id}." in notes
    assert "state no split belong to train: 1." in notes
