"""The Decomposer: a question in steps, each a sub-question with its SQL; the last SQL answers the question."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from macsql.agents import schema_text
from macsql.agents.fences import bare_sql, blocks, fenced
from macsql.agents.schema_text import Values
from macsql.agents.tokens import estimate_tokens
from macsql.database.schema import Schema

MAX_STEPS = 5
_FRAME = 8  # tokens of a step's fences and fixed words, once a codec has written them

_SUB_QUESTION = re.compile(r"Sub[ -]?question\s*\d*\s*:[ \t]*(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Step:
    """A sub-question and the SQL that answers it."""

    question: str
    sql: str


@dataclass(frozen=True)
class Decomposition:
    """An answer, read. `sql` is the last block: the answer to the whole question.

    Readable: every ```sql block is closed and there is at least one. An answer without fences is not readable, but what
    it says from SELECT on is offered as `sql` all the same, so that its execution can be judged apart from its form.
    """

    readable: bool
    steps: tuple[Step, ...]
    sql: str | None


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
    """What the Decomposer reads. `budget` (estimated tokens) binds the brief style only.

    `values`: examples by column. `links`: those that the question names (database.linking).
    """
    return schema_text.asking_prompt(
        style,
        "decompose",
        _MAC_SQL,
        question=question,
        schema=schema,
        evidence=evidence,
        values=values,
        links=links,
        budget=budget,
    )


def parse(answer: str) -> Decomposition:
    """Read an answer; never raises."""
    found = blocks(answer, "sql")
    if answer.count("```") % 2:  # the last block never ends: the answer was cut, and what is left is not its end
        return Decomposition(False, _steps(answer, found), None)
    if not found:
        return Decomposition(False, (), bare_sql(answer))
    return Decomposition(True, _steps(answer, found), found[-1][1])


def _steps(answer: str, found: Sequence[tuple[int, str]]) -> tuple[Step, ...]:
    """Each block with the sub-question that was last asked before it."""
    steps = []
    asked = 0
    for start, sql in found:
        questions = _SUB_QUESTION.findall(answer[asked:start])
        steps.append(Step(questions[-1].strip() if questions else "", sql))
        asked = start
    return tuple(steps)


def write(steps: Sequence[Step], style: str) -> str:
    """Steps as the answer that `parse` reads; in the brief style a single step is its block alone."""
    if style == "brief" and len(steps) == 1:
        return fenced(steps[0].sql, "sql")
    parts = [f"Sub question {n}: {s.question}\nSQL\n{fenced(s.sql, 'sql')}" for n, s in enumerate(steps, start=1)]
    return "\n\n".join([*parts, "Question Solved."])


def fitting(steps: Sequence[Step], budget: int) -> list[Step]:
    """The last steps whose answer stays within `budget` estimated tokens, the very last one in any case."""
    costs = [estimate_tokens(step.question) + estimate_tokens(step.sql) + _FRAME for step in steps]
    for first in range(len(steps)):
        if sum(costs[first:]) <= budget:
            return list(steps[first:])
    return list(steps[-1:])


_MAC_SQL = """\
You are given a 【Database schema】, its 【Foreign keys】, a 【Question】 about the data and, where there is any, \
【Evidence】 that says what words of the question mean in this database. Answer the question with SQL for SQLite. \
Decompose the question into sub questions: begin with what has to be known first, write the SQL of each sub question, \
and build on it until the last SQL answers the whole question.

{described}. Foreign keys tell which columns join the tables. A simple \
question needs a single sub question, which is then the question itself; five are the most.

【Constraints】
- `SELECT` only the columns that the question asks for, in the order in which it asks for them; leave out everything \
else, however useful it may look.
- In `FROM` and `JOIN` name only tables that the query needs. Join them over the foreign keys given.
- Where a column is compared, ordered or put through max() or min(), mind its missing values: when the value examples \
of the column show None, add `WHERE column IS NOT NULL` or join in such a way that they fall out.
- With `ORDER BY` on something that repeats, or on a computed figure of each group, `GROUP BY` what must be told apart \
first, and keep `LIMIT` for questions that ask for the first or last few.
- Compare with values as the value examples spell them, upper and lower case included, and trust the evidence when it \
gives a formula or a value.

Here are two examples of the work.

==========
【Database schema】
# Table: farm
[
(farm_id, farm id.),
(name, name of the farm. Value examples: ['Ashgrove', 'Coldwell', 'Hollow End', 'Upper Barn'].),
(county, county. Value examples: ['Norland', 'Suthers', 'Eastmark'].),
(hectares, area in hectares.),
(organic, certified organic. Value examples: ['Y', 'N'].),
]
# Table: harvest
[
(harvest_id, harvest id.),
(farm_id, farm that brought it in.),
(crop, what was grown. Value examples: ['barley', 'oats', 'rye', 'wheat'].),
(year, year of the harvest. Value examples: [2016, 2017, 2018].),
(tons, weight in tons. Value examples: [None, 12.5, 40.0, 66.2].),
]
【Foreign keys】
harvest.`farm_id` = farm.`farm_id`
【Question】
Name the certified organic farms whose wheat harvest in 2017 was above the average wheat harvest of that year.
【Evidence】
certified organic refers to organic = 'Y'; wheat harvest refers to tons where crop = 'wheat'

Decompose the question into sub questions, keep to the 【Constraints】, and write the SQL step by step:

Sub question 1: What was the average wheat harvest in 2017?
SQL
```sql
SELECT AVG(tons) FROM harvest WHERE crop = 'wheat' AND year = 2017
```

Sub question 2: Name the certified organic farms whose wheat harvest in 2017 was above the average wheat harvest of \
that year.
SQL
```sql
SELECT T1.name
FROM farm AS T1
JOIN harvest AS T2 ON T1.farm_id = T2.farm_id
WHERE T1.organic = 'Y' AND T2.crop = 'wheat' AND T2.year = 2017
AND T2.tons > (SELECT AVG(tons) FROM harvest WHERE crop = 'wheat' AND year = 2017)
```

Question Solved.

The average ignores missing weights by itself, and the comparison lets them fall out, so no further condition is \
needed; the county and the area are not asked for and stay away.

==========
【Database schema】
# Table: member
[
(member_id, member id.),
(first_name, first name. Value examples: ['Ada', 'Bruno', 'Chloe', 'Dario'].),
(last_name, last name. Value examples: ['Ahlers', 'Novak', 'Petit', 'Silva'].),
(joined, day of joining. Value examples: ['2015-03-02'].),
(branch_id, branch where the member is registered.),
]
# Table: branch
[
(branch_id, branch id.),
(district, part of the town. Value examples: ['Docks', 'Hill', 'Old Town', 'Station'].),
(opened, year of opening. Value examples: [1931, 1978, 2004].),
(manager, who runs it. Value examples: [None, 'J. Eklund', 'R. Sato'].),
]
# Table: loan
[
(loan_id, loan id.),
(member_id, who borrowed.),
(book_id, what was borrowed.),
(day, day of borrowing. Value examples: ['2020-01-07'].),
(returned, day it came back. Value examples: [None, '2020-01-21'].),
]
# Table: book
[
(book_id, book id.),
(title, title. Value examples: ['Deep Water', 'Northern Light', 'The Salt Road'].),
(genre, kind of book. Value examples: ['crime', 'history', 'poetry', 'travel'].),
(pages, number of pages. Value examples: [None, 96, 180, 320].),
]
【Foreign keys】
member.`branch_id` = branch.`branch_id`
loan.`member_id` = member.`member_id`
loan.`book_id` = book.`book_id`
【Question】
In the branch with the most registered members, who borrowed the longest travel book? Give the first and last name.
【Evidence】
longest refers to MAX(pages); travel book refers to genre = 'travel'

Decompose the question into sub questions, keep to the 【Constraints】, and write the SQL step by step:

Sub question 1: Which branch has the most registered members?
SQL
```sql
SELECT branch_id FROM member GROUP BY branch_id ORDER BY COUNT(*) DESC LIMIT 1
```

Sub question 2: Which loans of travel books were made by the members of that branch, and how long are the books?
SQL
```sql
SELECT T1.first_name, T1.last_name, T3.pages
FROM member AS T1
JOIN loan AS T2 ON T1.member_id = T2.member_id
JOIN book AS T3 ON T2.book_id = T3.book_id
WHERE T3.genre = 'travel'
AND T1.branch_id = (SELECT branch_id FROM member GROUP BY branch_id ORDER BY COUNT(*) DESC LIMIT 1)
```

Sub question 3: In the branch with the most registered members, who borrowed the longest travel book? Give the first \
and last name.
SQL
```sql
SELECT T1.first_name, T1.last_name
FROM member AS T1
JOIN loan AS T2 ON T1.member_id = T2.member_id
JOIN book AS T3 ON T2.book_id = T3.book_id
WHERE T3.genre = 'travel' AND T3.pages IS NOT NULL
AND T1.branch_id = (SELECT branch_id FROM member GROUP BY branch_id ORDER BY COUNT(*) DESC LIMIT 1)
ORDER BY T3.pages DESC LIMIT 1
```

Question Solved.

The number of pages may be missing, so the last step rules None out before it orders; the pages themselves are not \
asked for and are no longer selected.

==========

Now it is your turn: a new database and a new question. Name every sub question, put its SQL into a block of its own, \
and end with the words Question Solved.

【Database schema】
{schema}
【Foreign keys】
{keys}
【Question】
{question}
【Evidence】
{evidence}

Decompose the question into sub questions, keep to the 【Constraints】, and write the SQL step by step:
"""
