"""The Selector: which tables and columns a question needs, so that the other agents read a smaller schema.

Its answer is MAC-SQL's: a ```json block with one entry per table, "keep_all", "drop_all" or a list of columns.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from macsql.agents import schema_text
from macsql.agents.fences import blocks, fenced
from macsql.agents.schema_text import Values
from macsql.database.schema import Schema, Table

Decision = Literal["keep_all", "drop_all"] | tuple[str, ...]

PADDED = 6  # a table that is not kept whole still shows so many columns


@dataclass(frozen=True)
class Selection:
    """An answer, read: a decision per table. Unreadable: no decisions, which by MAC-SQL's rule keeps everything."""

    readable: bool
    tables: Mapping[str, Decision] = field(default_factory=dict)

    def decision(self, table: str) -> Decision:
        """What was decided on a table, whatever its case; a table that is not mentioned is kept."""
        lowered = {name.lower(): decision for name, decision in self.tables.items()}
        return lowered.get(table.lower(), "keep_all")


def prompt(
    style: str,
    *,
    question: str,
    schema: Schema,
    evidence: str = "",
    values: Values = schema_text.NO_VALUES,
    links: Values = schema_text.NO_VALUES,
    budget: int = 512,
) -> str:
    """What the Selector reads. `budget` (estimated tokens) binds the brief style only.

    `values`: examples by column. `links`: those that the question names (database.linking).
    """
    return schema_text.asking_prompt(
        style,
        "select",
        _MAC_SQL,
        question=question,
        schema=schema,
        evidence=evidence,
        values=values,
        links=links,
        budget=budget,
    )


def parse(answer: str) -> Selection:
    """Read an answer; never raises. Readable: one JSON object, every value one of the three decisions."""
    found = blocks(answer, "json")
    text = found[-1][1] if found else answer[answer.find("{") : answer.rfind("}") + 1]
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return Selection(False)
    if not isinstance(data, dict) or not data:
        return Selection(False)
    tables: dict[str, Decision] = {}
    for table, decision in data.items():
        if decision == "keep_all":
            tables[table] = "keep_all"
        elif decision == "drop_all":
            tables[table] = "drop_all"
        elif isinstance(decision, list) and all(isinstance(column, str) for column in decision):
            tables[table] = tuple(decision)
        else:
            return Selection(False)
    return Selection(True, tables)


def write(selection: Selection, schema: Schema, style: str) -> str:
    """A selection as the answer that `parse` reads, tables in the schema's order; in the brief style on one line."""
    decisions = [(table.name, selection.decision(table.name)) for table in schema.tables]
    lines = [f"{_json(name)}: {_json(list(d) if isinstance(d, tuple) else d)}" for name, d in decisions]
    body = f"{{{', '.join(lines)}}}" if style == "brief" else "{\n  " + ",\n  ".join(lines) + "\n}"
    return fenced(body, "json")


def _json(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def chosen(selection: Selection, schema: Schema) -> frozenset[tuple[str, str]]:
    """The (table, column) pairs that the answer itself keeps, before any padding."""
    return frozenset(
        (table.name, column.name)
        for table in schema.tables
        for column in table.columns
        if (decision := selection.decision(table.name)) == "keep_all"
        or (decision != "drop_all" and column.name.lower() in {name.lower() for name in decision})
    )


def apply(selection: Selection, schema: Schema) -> Schema:
    """The schema that the other agents see, by MAC-SQL's rules.

    A dropped table keeps its first 6 columns; a list gets the primary and foreign keys and is padded to 6 from the
    front; tables that are not mentioned stay whole, names that the schema does not have are ignored.
    """
    tables = tuple(_kept(table, selection.decision(table.name), schema) for table in schema.tables)
    names = {(table.name.lower(), column.name.lower()) for table in tables for column in table.columns}
    keys = tuple(
        key
        for key in schema.foreign_keys
        if (key.table.lower(), key.column.lower()) in names and (key.ref_table.lower(), key.ref_column.lower()) in names
    )
    return replace(schema, tables=tables, foreign_keys=keys)


def _kept(table: Table, decision: Decision, schema: Schema) -> Table:
    if decision == "keep_all":
        return table
    if decision == "drop_all":
        return replace(table, columns=table.columns[:PADDED])
    wanted = {name.lower() for name in decision}
    wanted |= {key.column.lower() for key in schema.foreign_keys if key.table.lower() == table.name.lower()}
    kept = {column.name for column in table.columns if column.primary_key or column.name.lower() in wanted}
    for column in table.columns:
        if len(kept) < PADDED:
            kept.add(column.name)
    return replace(table, columns=tuple(column for column in table.columns if column.name in kept))


_MAC_SQL = """\
You are a seasoned database administrator. A colleague hands you a question and the schema of a database; you tell \
which tables and which of their columns are needed to answer it with SQL, so that whoever writes the query has less \
to read and nothing to miss.

{described}, and the foreign keys that join the tables follow. Besides \
the question there may be evidence: a hint about what words of the question mean in this database.

[Instruction]
1. Weigh every table against the question and the evidence. A table that has nothing to do with either is marked \
"drop_all".
2. A table that is needed and has ten columns or fewer is marked "keep_all"; there is nothing to gain by thinning it.
3. A needed table with more than ten columns is thinned: list the columns that the query has to name, whether for its \
output, its conditions, its grouping, its order or its joins. Six are usually enough. Put the most telling one first.
4. A table that only connects two needed tables is needed as well.
5. Answer with JSON: every table of the schema is a key, with "keep_all", "drop_all" or the list of columns.

[Requirements]
- Use the table and column names exactly as the schema spells them.
- Never leave out a column that a join, a filter or the output needs; one column too many does less harm.
- Look at the value examples: a value that the question mentions gives away the column it belongs to.
- Write nothing but the JSON block.

Here is an example of the work.

==========
【DB_ID】 river_ferries
【Schema】
# Table: vessel
[
(vessel_id, vessel id.),
(name, name of the ship. Value examples: ['Aurelia', 'Blue Heron', 'Castor', 'Dunlin'].),
(built, year of construction. Value examples: [1968, 1974, 1991, 2003].),
(seats, number of passenger seats. Value examples: [80, 120, 240].),
(home_port, port where it lies at night. Value examples: ['Oststeg', 'Altmarkt'].),
]
# Table: landing
[
(landing_id, landing id.),
(name, name of the landing stage. Value examples: ['Altmarkt', 'Oststeg', 'Mill Lane', 'Weir'].),
(bank, side of the river. Value examples: ['left', 'right'].),
(has_ramp, wheelchair ramp. Value examples: ['no', 'yes'].),
]
# Table: crossing
[
(crossing_id, crossing id.),
(vessel_id, ship that sails.),
(from_landing, where it leaves.),
(to_landing, where it arrives.),
(day, date of the crossing. Value examples: ['2019-05-01'].),
(departure, planned time of departure. Value examples: ['07:10', '07:40', '08:10'].),
(delay, minutes it left late. Value examples: [None, 0, 2, 5, 10].),
(passengers, people on board.),
(bicycles, bicycles on board. Value examples: [0, 1, 2, 4].),
(cargo, kind of freight. Value examples: [None, 'mail', 'milk'].),
(weather, weather on the way. Value examples: ['clear', 'fog', 'rain', 'wind'].),
(captain, name of the person in charge. Value examples: ['I. Brandt', 'O. Lund', 'S. Maric'].),
]
# Table: ticket_price
[
(price_id, price id.),
(category, who pays it. Value examples: ['adult', 'child', 'dog', 'bicycle'].),
(cents, price in cents. Value examples: [60, 90, 150, 310].),
(valid_from, first day of the price. Value examples: ['2019-01-01'].),
]
【Foreign keys】
crossing.`vessel_id` = vessel.`vessel_id`
crossing.`from_landing` = landing.`landing_id`
crossing.`to_landing` = landing.`landing_id`
【Question】
Which ships built before 1980 have crossed in fog with more than fifty people on board, and who was in charge?
【Evidence】
in fog refers to weather = 'fog'; more than fifty people refers to passengers > 50
【Answer】
```json
{{
  "vessel": "keep_all",
  "landing": "drop_all",
  "crossing": ["weather", "passengers", "captain", "vessel_id"],
  "ticket_price": "drop_all"
}}
```
==========

Now it is your turn: a new database and a new question. Keep to the instruction and give the JSON block alone.

【DB_ID】 {db_id}
【Schema】
{schema}
【Foreign keys】
{keys}
【Question】
{question}
【Evidence】
{evidence}
【Answer】
"""
