"""An end-to-end evaluation as a run in MLflow."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from macsql.tracking.addresses import code_tags
from macsql.tracking.tracker import BATCH, Tracker


def record_evaluation(
    uri: str | None,
    state_dir: Path,
    key: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    files: Sequence[Path],
) -> None:
    """One set of seats that answered a benchmark, as a run of the experiment `evaluate`; told again, it stays one run.

    Raises what MLflow raises where it cannot be reached.
    """
    from mlflow.entities import Metric, Param, RunTag

    tracker = Tracker(uri, state_dir, "evaluate")
    client, experiment = tracker.client, tracker.experiment_id
    found = client.search_runs([experiment], f"tags.`macsql.evaluation` = '{key}'", max_results=1)
    if found and found[0].info.status == "FINISHED" and found[0].data.tags.get("macsql.code") == tags["macsql.code"]:
        return
    own = {"macsql.evaluation": key, "macsql.role": "evaluation", **code_tags()}
    run_id = found[0].info.run_id if found else client.create_run(experiment, run_name=key, tags=own).info.run_id
    now = int(time.time() * 1000)
    entries = [Metric(_metric_name(name), value, now, 0) for name, value in metrics.items()]
    given = [] if found and found[0].data.params else [Param(name, str(value)) for name, value in params.items()]
    for start in range(0, len(entries), BATCH):
        client.log_batch(run_id, metrics=entries[start : start + BATCH])
    client.log_batch(run_id, params=given, tags=[RunTag(name, value) for name, value in tags.items()])
    for path in files:
        client.log_artifact(run_id, str(path))
    client.set_terminated(run_id, "FINISHED")


def _metric_name(name: str) -> str:
    """A metric's name in letters that MLflow takes."""
    return re.sub(r"[^\w/. -]", "", name)
