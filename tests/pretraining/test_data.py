"""Random databases, their questions and examples: the same for the same seed, and true."""

import random
import re
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from macsql.config import AgentsConfig
from macsql.corpora.pocket_schemas import DATABASES
from macsql.grammar import read_facts
from macsql.pretraining import databases, words
from macsql.pretraining.examples import VARIED, make

pytest.importorskip("faker", reason="pip install -e '.[pocket]' makes generated databases")

AGENTS = AgentsConfig(style="brief", value_examples=1, value_links=4)


def test_every_list_that_a_trait_names_is_there():
    rng = random.Random(0)
    for traits in words.TRAITS.values():
        assert traits[0].name in ("name", "title", "date")
        for trait in traits:
            if trait.fill == "choice":
                assert trait.source in words.CHOICES, trait
            elif trait.fill == "text":
                assert words.text_value(rng, trait.source)
            else:
                assert trait.fill in ("date", "flag", "code") or trait.low < trait.high, trait


def test_databases_are_the_same_for_the_same_seed_and_differ_between_seeds(tmp_path):
    made = []
    for name in ("a", "a", "b"):
        path = tmp_path / "x.sqlite"
        databases.make(name, path)
        made.append(path.read_bytes())
        path.unlink()
    assert made[0][:96] + made[0][100:] == made[1][:96] + made[1][100:]
    assert made[0] != made[2]


def test_databases_are_as_varied_as_promised(tmp_path):
    sizes, keys, undeclared, styles = Counter(), 0, 0, Counter()
    for number in range(80):
        path = tmp_path / f"{number}.sqlite"
        database, asked = databases.make(f"varied-{number}", path)
        sizes[len(database.schema.tables)] += 1
        keys += bool(asked.foreign_keys)
        undeclared += len(asked.foreign_keys) > len(database.schema.foreign_keys)
        styles |= Counter(
            "snake" if "_" in c.name and c.name.islower() else "camel" if c.name[1:].lower() != c.name[1:] else "other"
            for table in database.schema.tables
            for c in table.columns
        )
        with closing(sqlite3.connect(path)) as connection:
            assert not connection.execute("PRAGMA integrity_check").fetchall()[1:]
            for table in database.schema.tables:
                assert connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0] >= 4
    assert len(sizes) >= 5
    assert keys > 40
    assert undeclared >= 3
    assert min(styles["snake"], styles["camel"]) >= 1


@pytest.mark.parametrize("template", [template for template, _ in VARIED], ids=lambda t: t.__name__)
def test_every_varied_template_makes_queries_that_run(template, tmp_path):
    drafts, texts = 0, set()
    for number in range(25):
        path = tmp_path / f"{number}.sqlite"
        database, asked = databases.make(f"template-{number}", path)
        facts = read_facts(databases.dataclasses.replace(database, schema=asked))
        rng = random.Random(number)
        with closing(sqlite3.connect(path)) as connection:
            for _ in range(4):
                draft = template(rng, facts)
                if draft is not None:
                    connection.execute(draft.sql).fetchall()
                    drafts += 1
                    texts.update(draft.paraphrases)
    assert drafts >= 20
    assert len(texts) > 0.8 * drafts


def test_examples_are_the_same_for_the_same_seed_and_hold_what_they_say(tmp_path):
    path = tmp_path / "one.sqlite"
    made = make("examples", 12, AGENTS, path)
    assert make("examples", 12, AGENTS, path).examples == made.examples
    counts = Counter(example.agent for example in made.examples)
    assert counts["decomposer"] == len(made.questions) == 12
    assert counts["selector"] == 6
    assert counts["refiner"] >= 4
    with closing(sqlite3.connect(path)) as connection:
        for example in made.examples:
            connection.execute(example.gold_sql).fetchall()
            if example.agent == "refiner" and example.error.startswith("no such"):
                with pytest.raises(sqlite3.OperationalError, match="no such"):
                    connection.execute(example.broken_sql)


def test_values_that_a_question_names_stand_in_its_prompt(tmp_path):
    linked = 0
    for number in range(6):
        for example in make(f"links-{number}", 15, AGENTS, tmp_path / "x.sqlite").examples:
            linked += "('" in example.source
    assert linked > 15


def test_no_pocket_database_is_among_the_random_ones(tmp_path):
    pocket = {frozenset(tables) for tables in DATABASES.values()}
    for number in range(200):
        _, asked = databases.make(f"pocket-{number}", tmp_path / "x.sqlite")
        assert frozenset(table.name for table in asked.tables) not in pocket


def test_many_names_are_words_that_no_list_has(tmp_path):
    listed = {word for things in words.THINGS.values() for word in things.split()} | set(words.common())
    names = [
        word
        for number in range(40)
        for table in databases.make(f"names-{number}", tmp_path / f"{number}.sqlite")[1].tables
        for word in re.findall("[a-z]+", words.singular(table.full_name).lower())
    ]
    assert 0.25 < sum(word not in listed for word in names) / len(names) < 0.75


def test_rare_words_are_many_and_the_same_for_a_seed():
    drawn = [words.rare(random.Random(number)) for number in range(2000)]
    assert drawn == [words.rare(random.Random(number)) for number in range(2000)]
    assert len(set(drawn)) > 1900
    assert all(re.fullmatch("[a-z]{2,}", word) for word in drawn)
