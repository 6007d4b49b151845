"""What a chat row's prompt and answer say about themselves: the agent, the question, the database, the SQL."""

import re
from typing import get_args

from macsql.records import Agent

_REFINER = re.compile(r"【old SQL】|【SQLite error】", re.IGNORECASE)
_SELECTOR = re.compile(r"【DB_ID】|database[- ]administrator", re.IGNORECASE)
_DECOMPOSER = re.compile(
    r"Decompose the question into sub[- ]?questions"
    r"|\A\W{0,20}(?:(?:you are |please |now )*given (?:an? |the |this |following )*)?【Database schema】",
    re.IGNORECASE,
)
# What a user turn must hold to be known, in words.
MARKS = (
    "name it under `agent`, or let the prompt hold 【old SQL】 or 【SQLite error】 for the refiner, 【DB_ID】 for the "
    'selector, 【Database schema】 at its start or "Decompose the question into sub-questions" for the decomposer'
)
_SECTION = re.compile(r"【([^【】\n]{1,40})】")
_BLOCK = re.compile(r"```(?:sql)?\s(.*?)```", re.DOTALL | re.IGNORECASE)
_TABLE = re.compile(r"^# Table:\s*(.+?)\s*$", re.MULTILINE)


def agent_of(prompt: str) -> Agent | None:
    """The agent that a user turn addresses, by the marks of its template; None where there are none.

    The order counts: a Refiner's prompt also holds the schema, and a Selector's may speak of sub-questions.
    """
    agents: tuple[Agent, ...] = get_args(Agent)
    selector, decomposer, refiner = agents
    for agent, mark in ((refiner, _REFINER), (selector, _SELECTOR), (decomposer, _DECOMPOSER)):
        if mark.search(prompt):
            return agent
    return None


def section(prompt: str, *titles: str) -> str:
    """The text under the last 【title】 of a prompt, up to the next mark; "" where no title occurs.

    The last, because templates hold worked examples with the same marks before the question itself.
    """
    marks = list(_SECTION.finditer(prompt))
    wanted = {title.lower() for title in titles}
    for number in range(len(marks) - 1, -1, -1):
        if marks[number][1].strip().lower() in wanted:
            end = marks[number + 1].start() if number + 1 < len(marks) else len(prompt)
            return prompt[marks[number].end() : end].strip()
    return ""


def question_of(prompt: str) -> str:
    """The question of a prompt in MAC-SQL's layout; "" where none is marked."""
    text = section(prompt, "Question", "Query")
    paragraph = text.split("\n\n")[0]  # instructions may follow after an empty line
    lines = [line.strip().removeprefix("--").strip() for line in paragraph.splitlines()]
    return " ".join(line for line in lines if line)


def evidence_of(prompt: str) -> str:
    """The evidence of a prompt in MAC-SQL's layout; "" where there is none."""
    return " ".join(section(prompt, "Evidence").split("\n\n")[0].split())


def db_id_of(prompt: str) -> str:
    """The database that a Selector's prompt names; "" where it names none."""
    lines = section(prompt, "DB_ID").splitlines()
    return lines[0].strip() if lines else ""


def tables_of(prompt: str) -> frozenset[str]:
    """Lower-cased names of the tables whose schema the prompt shows last."""
    return frozenset(
        name.lower() for name in _TABLE.findall(section(prompt, "Database schema", "Database info", "Schema"))
    )


def broken_sql_of(prompt: str) -> str:
    """The SQL that a Refiner's prompt wants repaired; "" where none is marked."""
    text = section(prompt, "old SQL")
    return sql_of(text) or text.strip("`\n ")


def error_of(prompt: str) -> str:
    """What SQLite said, in a Refiner's prompt; "" where it is not marked."""
    return section(prompt, "SQLite error").split("\n\n")[0].strip()


def sql_of(answer: str) -> str:
    """The last ```sql block of an answer; "" where there is none."""
    found = _BLOCK.findall(answer)
    return found[-1].strip() if found else ""
