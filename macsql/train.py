"""`python -m macsql.train [key=value ...]`: one fine-tune, the unit that a sweep repeats."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from macsql.app import command
from macsql.config import Config
from macsql.errors import with_type
from macsql.streams import say


@command
def main(config: Config) -> int:
    """Prepare, fine-tune, generate, score, record; run again, it goes on from where it was or shows its result."""
    from macsql.config import to_yaml
    from macsql.coordination.finalize import parameters
    from macsql.search.plan import PlannedTrial, identity
    from macsql.tracking import Tracker, check_uri
    from macsql.training.finetune import training_arguments
    from macsql.training.trial import check, read_result, run_folder
    from macsql.trials.stopping import Interrupted, StopRequest

    check(config)
    check_uri(config.tracking.uri)
    training_arguments(config, Path("unused"))  # a wrong argument of the Trainer dies here
    digest = hashlib.sha256(json.dumps(identity(config), sort_keys=True).encode()).hexdigest()[:8]
    state = Path(config.tracking.state_dir)
    trial = PlannedTrial(0, {}, 0, config, state / "trials" / f"train-{digest}")
    trial.folder.mkdir(parents=True, exist_ok=True)
    (trial.folder / "config.yaml").write_text(to_yaml(config), encoding="utf-8")

    tracker = Tracker(config.tracking.uri, state, "train")
    tags = {"macsql.sweep": "train", "macsql.label": trial.key, "macsql.index": "0", "macsql.model": config.model.name}

    def record(status: str) -> None:
        """Tell MLflow; a fine-tune does not die of its silence."""
        try:
            tracker.sync(trial.folder, None, parameters(trial), tags, status)
        except Exception as error:
            say(f"MLflow does not answer ({with_type(error)}): the same command sends it what is missing.")

    result = read_result(trial.folder)
    if result is not None and result.status == "FINISHED":
        say("This fine-tune is done already.")
    else:
        record("RUNNING")
        try:
            result = run_folder(trial.folder, None, StopRequest().listen(), tell=_show)
        except Interrupted:
            record("KILLED")
            say("Stopped on request: the same command goes on from the last checkpoint.")
            return 130
    record(result.status)
    for line in lines(result.metrics):
        say(line)
    say(": ".join(part for part in (result.status.lower(), result.reason) if part))
    say(f"Everything is in {trial.folder}")
    return 0 if result.status == "FINISHED" else 2


def lines(metrics: Mapping[str, float]) -> list[str]:
    """Metrics for a terminal: the losses, then agent by agent; the outcomes that did not occur are counted only."""
    groups: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        part = "eval/" if name.startswith("eval/") else ""  # an agent's answers to the eval questions
        agent, _, metric = name.removeprefix(part).partition("/")
        groups.setdefault(part + agent if metric else "", {})[metric or agent] = value
    told = []
    for group, values in groups.items():
        if group:
            told.append(f"  {group}: {values.pop('count', 0):.0f} answers")
        absent = [name for name, value in values.items() if name.startswith("outcome/") and not value]
        indent = "    " if group else "  "
        told += [f"{indent + name:44} {value:.4f}" for name, value in values.items() if name not in absent]
        if absent:
            told.append(f"{indent}outcomes that did not occur: {len(absent)}")
    return told


def _show(step: int, epoch: float, metrics: dict[str, float]) -> None:
    """A line for each evaluation, and for every fiftieth step."""
    if "eval_loss" in metrics or step % 50 == 0:
        say(f"  step {step}, epoch {epoch:.2f}: " + ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
