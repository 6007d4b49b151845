"""A registered model as MLflow loads and serves it: questions and paths of databases in, SQL and rows out.

    MACSQL_DATABASES=FOLDER mlflow models serve -m models:/NAME@best --env-manager local

Whoever sends a question names a database. Only those in the folder that the server's owner has put into
MACSQL_DATABASES are read, and these are never written to.
"""

import atexit
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macsql.config import GenerationConfig, SeatsConfig
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database
from macsql.errors import UserError
from macsql.pipeline import shown
from macsql.pipeline.asking import LIMITS, Asker, open_database
from macsql.pipeline.seating import Seating, rules_of

if TYPE_CHECKING:
    from pandas import DataFrame

FOLDER = "MACSQL_DATABASES"


def _load_pyfunc(path: str) -> "Served":
    """What MLflow calls with the folder of the model."""
    return Served(Path(path))


class Served:
    """Answers a table of questions; safe to share between threads, which take turns."""

    def __init__(self, folder: Path) -> None:
        """Load the model in a folder. Raises UserError where it holds none."""
        config = SeatsConfig(model=str(folder))
        self.sandbox = Sandbox(1, LIMITS)
        atexit.register(self.sandbox.close)
        self.asker = Asker(
            Seating(config, GenerationConfig(constrained=True), folder).whole(), self.sandbox, rules_of(config)
        )
        self._turn = threading.Lock()

    def predict(self, model_input: "DataFrame", params: dict[str, Any] | None = None) -> "DataFrame":  # noqa: ARG002
        """Columns question, database and, where there is one, evidence -> sql, columns, rows, message; a row each.

        `columns` and `rows` are JSON: names, and a list of lists. Where there is no answer, `message` says why.
        """
        from pandas import DataFrame

        answers = [self._answer(asked) for asked in model_input.to_dict("records")]
        return DataFrame(answers, columns=["sql", "columns", "rows", "message"], dtype=object)

    def _answer(self, asked: dict[str, Any]) -> dict[str, str | None]:
        evidence = asked.get("evidence")
        try:
            for name in ("question", "database"):
                if not isinstance(asked.get(name), str):
                    raise UserError(f"The column {name} holds no text in this row: a text is needed.")
            database = permitted(asked["database"])
            with self._turn:
                answered = self.asker.ask(database, asked["question"], evidence if isinstance(evidence, str) else "")
                outcome, cut = self.asker.rows(database, answered)
        except UserError as error:
            return {"sql": None, "columns": "[]", "rows": "[]", "message": str(error)}
        told = shown.as_json(answered, outcome, cut, trace=False)
        first = f"The query gives more rows than are read: these are the first {len(told['rows'])}." if cut else ""
        lists = {name: json.dumps(told[name], ensure_ascii=False) for name in ("columns", "rows")}
        return {"sql": answered.sql, **lists, "message": told["message"] or first}


def permitted(named: str) -> Database:
    """A database in the folder that may be read; links are followed before that is asked.

    Raises UserError for any other path, in the same words whether something is there or not.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        raise UserError(f"This model reads no database: who runs it says in {FOLDER} in which folder they are.")
    root = Path(folder).resolve()
    try:
        path = (root / named).resolve()
        inside = path.is_relative_to(root)
    except (OSError, ValueError, RuntimeError):  # a zero byte, a name that is too long, a circle of links
        inside = False
    if not inside:
        raise UserError(f"The database {named[:80]!a} is not in the folder that this model may read.")
    try:
        return open_database(path)
    except UserError as error:
        raise UserError(str(error).replace(f"{root}{os.sep}", "").replace(str(root), "the folder")) from error
