"""Models in MLflow: which trial a run is of, a registered model's folder, and how the best one is registered."""

import re
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from macsql import __version__ as macsql_version
from macsql.config import Config
from macsql.errors import UserError, first_line
from macsql.revision import revision
from macsql.tracking.addresses import existing, quiet
from macsql.trials.folder import MODEL
from macsql.trials.ledger import Ledger

ALIAS = "best"  # of the version of a registered model that counts
EXAMPLE = {"question": ["How many singers are there?"], "database": ["concerts.sqlite"]}  # of what it takes
LOADER = "macsql.pipeline.served"  # makes what MLflow loads of a model's folder


def check_register(config: Config) -> None:
    """Raise UserError, before any cost, for a model that is to be registered and cannot be."""
    name = config.tracking.registered_model
    if name is not None and not re.fullmatch(r"[\w][\w. -]{0,99}", name):
        raise UserError(
            f"tracking.registered_model={name}: write a name of at most 100 letters, digits, underscores, dots, "
            "hyphens and blanks."
        )
    if not config.tracking.register:
        return
    if "decomposer" not in config.agents.roles:
        raise UserError("tracking.register=true: a model that is to answer questions needs decomposer in agents.roles.")
    if config.data.format == "chat":
        raise UserError(
            "tracking.register=true: a model trained on the prompts of a chat file cannot be asked in a style of ours."
        )


def trial_of(run_id: str, uri: str | None, state_dir: Path) -> str:
    """The trial that a run records. Raises UserError where there is no such run, or it records none."""
    quiet()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        tags = MlflowClient(existing(uri, state_dir)).get_run(run_id).data.tags
    except MlflowException as error:
        raise UserError(f"MLflow has no run {run_id} ({first_line(error)}).") from error
    if "macsql.trial" not in tags:
        raise UserError(f"The run {run_id} is not of a trial: choose one whose tag macsql.role is trial.")
    return tags["macsql.trial"]


def downloaded(model: str, uri: str | None, state_dir: Path) -> Path:
    """The folder of a registered model, models:/NAME@ALIAS or models:/NAME/VERSION, fetched where it is elsewhere.

    Raises UserError where there is none of that name.
    """
    quiet()
    from mlflow import MlflowClient, artifacts
    from mlflow.exceptions import MlflowException

    place = existing(uri, state_dir)
    client = MlflowClient(place, place)
    name, _, alias = model.removeprefix("models:/").partition("@")
    name, _, version = name.partition("/")
    if not name or not (alias or version):
        raise UserError(f"{model} names no version of a model: write models:/NAME@ALIAS or models:/NAME/VERSION.")
    try:
        number = client.get_model_version_by_alias(name, alias).version if alias else version
        source = client.get_model_version_download_uri(name, number)
        return Path(artifacts.download_artifacts(artifact_uri=source, tracking_uri=place))
    except (MlflowException, OSError) as error:
        raise UserError(f"{model} cannot be had from MLflow ({first_line(error)}).") from error


def register(trial: Path, name: str, uri: str | None, state_dir: Path) -> tuple[str, bool]:
    """Log a finished trial's model in MLflow and register it as models:/NAME@best; again, nothing is done.

    What MLflow loads of it is a pyfunc: a question and a database's path to SQL and rows (macsql.pipeline.served). It
    holds the model's folder and no code: macsql has to be installed where it is loaded. Returns the number of the
    version, and whether it is new. Raises UserError where MLflow does not take it.
    """
    quiet()
    from mlflow import MlflowClient, pyfunc
    from mlflow.entities import LoggedModelStatus
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model
    from pandas import DataFrame
    from sqlalchemy.exc import SQLAlchemyError

    run_id = Ledger.read(trial).run_id
    if run_id is None:
        raise UserError(f"MLflow does not know the trial {trial.name} yet: the same command sends it, then its model.")
    if not (trial / MODEL).is_dir():
        raise UserError(f"The trial {trial.name} has no folder `{MODEL}` any more.")
    try:
        place = existing(uri, state_dir)
        client = MlflowClient(place, place)
        if (there := _version(client, name)) is not None and there.run_id == run_id:
            return there.version, False
        run = client.get_run(run_id)
        tags = {"macsql.trial": trial.name, "macsql.code": revision()}
        logged = client.create_logged_model(run.info.experiment_id, "model", run_id, tags)
        with TemporaryDirectory() as together:
            pyfunc.save_model(
                Path(together) / "model",
                loader_module=LOADER,
                data_path=str(trial / MODEL),
                mlflow_model=Model(
                    logged.artifact_location, run_id, model_uuid=logged.model_id, model_id=logged.model_id
                ),
                signature=_signature(),
                input_example=DataFrame(EXAMPLE),
                pip_requirements=_requirements(),
            )
            client.log_model_artifacts(logged.model_id, str(Path(together) / "model"))
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        if there is None and not client.search_registered_models(f"name = '{name}'", max_results=1):
            client.create_registered_model(name, description="Question and database to SQL and rows, by macsql.")
        source = logged.artifact_location  # as models:/ID it would be looked for where the process's own address leads
        version = client.create_model_version(name, source, run_id, tags, model_id=logged.model_id).version
        client.set_registered_model_alias(name, ALIAS, version)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise UserError(f"MLflow did not take the model of {trial.name} ({first_line(error)}).") from error
    return version, True


def _version(client: Any, name: str) -> Any:
    """The version of a registered model that counts; None without one."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # no model; no such alias
            raise
        return None


def _signature() -> Any:
    """What a registered model takes and gives."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    given: list[Any] = [ColSpec("string", name) for name in ("question", "database")]
    made: list[Any] = [ColSpec("string", name, required=False) for name in ("sql", "columns", "rows", "message")]
    return ModelSignature(Schema([*given, ColSpec("string", "evidence", required=False)]), Schema(made))


def _requirements() -> list[str]:
    """The distributions that a registered model needs, as they are installed here."""
    needed = ("mlflow", "torch", "transformers", "sqlglot", "peft", "rapidfuzz")
    return [f"macsql=={macsql_version}", *(f"{name}=={version(name)}" for name in needed)]
