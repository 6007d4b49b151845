"""How good the Decomposer's SQL is: can it be read, do its steps run, does it ask and give what gold does?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from macsql.agents import decomposer
from macsql.agents.decomposer import Decomposition
from macsql.database.sandbox import Outcome, Sandbox
from macsql.database.schema import Database, Schema
from macsql.metrics.sql_answers import NOT_COMPARED, AgainstGold, compare, run_rows, statements
from macsql.metrics.taxonomy import Judgement
from macsql.protocols.spider import em as spider_em
from macsql.protocols.spider.em import SpiderSchema
from macsql.records import Prediction


@dataclass(frozen=True)
class DecomposerScores:
    """The values of one answer, 0 to 1; None: does not apply."""

    readable: float  # every fence is closed and there is at least one
    steps_run: float | None  # share of its ```sql blocks that run; 0 without any; None without a database
    spider_em: float | None  # `spider-em`, strict; None where the grammar does not read gold
    execution_accuracy: float | None  # `spider-ex`; None where gold does not run
    execution_accuracy_fixed: float | None  # the same in its fixed reading


def step_texts(answer: Decomposition) -> tuple[str, ...]:
    """The SQL of all steps; an answer without fences has one, what could be saved of it."""
    return tuple(step.sql for step in answer.steps) or ((answer.sql,) if answer.sql is not None else ())


def decomposer_scores(
    answer: Decomposition, exact: bool | None, comparison: AgainstGold, outcomes: Mapping[str, Outcome] | None
) -> DecomposerScores:
    """The values of one answer from the outcomes of its statements, by text; without a database there are none."""
    texts = step_texts(answer)
    steps_run = None
    if outcomes is not None:
        steps_run = sum(outcomes[sql].ok for sql in texts) / len(texts) if texts else 0.0
    return DecomposerScores(
        readable=float(answer.readable),
        steps_run=steps_run,
        spider_em=None if exact is None else float(exact),
        **comparison.scores,
    )


def exact_match(schema: SpiderSchema, gold: str, sql: str | None) -> bool | None:
    """The strict verdict of `spider-em`: None where gold cannot be read, False without SQL."""
    try:
        return spider_em.exact_match(schema, gold, sql or "").exact
    except spider_em.GoldUnreadable:
        return None


def judge(
    predictions: Sequence[Prediction], databases: Mapping[str, Database], sandbox: Sandbox
) -> Iterator[Judgement]:
    """What becomes of each prediction, in their order."""
    answers = [decomposer.parse(prediction.output) for prediction in predictions]
    jobs = [statements(row.gold_sql, answer.sql) for row, answer in zip(predictions, answers, strict=True)]
    asked = dict.fromkeys(row.db_id for row in predictions if row.db_id in databases)
    schemas = {db_id: spider_schema(databases[db_id]) for db_id in asked}
    runs = run_rows(
        [
            (databases[row.db_id].path, [*job, *step_texts(answer)])
            for row, answer, job in zip(predictions, answers, jobs, strict=True)
            if row.db_id in databases
        ],
        sandbox,
    )
    for row, answer, job in zip(predictions, answers, jobs, strict=True):
        comparison, outcomes, exact = NOT_COMPARED, None, None
        if row.db_id in databases:
            outcomes = next(runs)
            comparison = compare(job, outcomes, row.output, row.truncated)
            exact = exact_match(schemas[row.db_id], row.gold_sql, answer.sql)
        scores = decomposer_scores(answer, exact, comparison, outcomes)
        yield Judgement(comparison.outcome, asdict(scores), answer.sql or "", comparison.message)


def spider_schema(database: Database) -> SpiderSchema:
    """What `spider-em` knows of a database. Raises UserError where its file is missing or no database."""
    return spider_em.read_spider_schema(database.path, _tables_entry(database.schema))


def _tables_entry(schema: Schema) -> dict[str, Any]:
    """A schema as an object of Spider's tables.json, as far as foreign keys need it."""
    columns: list[tuple[int, str]] = [(-1, "*")]
    places: dict[tuple[str, str], int] = {}
    for number, table in enumerate(schema.tables):
        for column in table.columns:
            places[table.name.lower(), column.name.lower()] = len(columns)
            columns.append((number, column.name))
    ends = [
        ((key.table.lower(), key.column.lower()), (key.ref_table.lower(), key.ref_column.lower()))
        for key in schema.foreign_keys
    ]
    return {
        "db_id": schema.db_id,
        "table_names_original": [table.name for table in schema.tables],
        "column_names_original": columns,
        "foreign_keys": [[places[one], places[other]] for one, other in ends if one in places and other in places],
    }
