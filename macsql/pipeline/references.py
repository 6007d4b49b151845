"""Which folder a reference to a model means.

    a folder                 of a model (with card.json), or of a trial
    NAME                     a trial's key under mlruns/trials, a run's id in MLflow, or a sweep: its best trial
    models:/NAME@ALIAS       a registered model
    OWNER/NAME               a model on the hub, or in its local cache
    pocket                   the model that ships with macsql, whatever else there is
    (none)                   the best trial there is, else the model that ships with macsql

The best trial is the one whose Decomposer has the highest execution accuracy on the eval questions, where a sweep asked
for that (`sweep.metric=[decomposer/execution_accuracy]`); where none did, the one with the lowest eval_loss. Losses of
models with different tokenizers or data cannot really be compared, so what was chosen is said. Test questions choose
nothing.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from macsql.errors import UserError, first_line
from macsql.models.card import NAME as CARD
from macsql.models.card import read_card
from macsql.models.sources import SHIPPED as WEIGHTS
from macsql.trials.folder import CONFIG, MODEL
from macsql.trials.result import read_result

SHIPPED = WEIGHTS / "pocket_base"  # what answers where nothing has been trained
MEASURES = ("eval/decomposer/execution_accuracy", "eval_loss")  # the first one that any trial has decides
BUILT_IN = "pocket"  # as in model=pocket
RUN_ID = re.compile(r"[0-9a-f]{32}")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Found:
    """A model's folder."""

    folder: Path
    name: str  # as people are shown it
    why: str = ""  # where macsql chose it


def find(reference: str | None, state_dir: Path, tracking_uri: str | None = None) -> Found:
    """The folder that a reference means. Raises UserError where it means none."""
    if reference is None:
        return _default(state_dir)
    if not reference.strip():
        raise UserError("The model's reference is empty: name a folder, a trial, a sweep or models:/NAME@ALIAS.")
    if reference.startswith("models:/"):
        return _registered(reference, state_dir, tracking_uri)
    path = Path(reference).expanduser()
    try:
        if path.is_dir():
            whole = path.resolve()
            return Found(_inside(path), whole.parent.name if whole.name == MODEL else whole.name)
        if path.exists():
            raise UserError(f"{reference} is a file: a model is a folder, as a trial's folder `{MODEL}` is.")
        trial = state_dir / "trials" / reference
        if path.name == reference and trial.is_dir():
            return Found(_inside(trial), reference)
    except (OSError, ValueError) as error:  # a name that is too long, a zero byte
        raise UserError(f"{reference[:80]!a} is no model ({first_line(error)}).") from error
    if RUN_ID.fullmatch(reference):
        return _of_run(reference, state_dir, tracking_uri)
    if ranked := _ranked(state_dir, reference):
        return ranked
    if reference == BUILT_IN:
        return Found(SHIPPED, BUILT_IN)
    if HUB_ID.fullmatch(reference):
        return Found(_from_hub(reference), reference)
    raise UserError(
        f"There is no model {reference!r}: it is neither a folder nor a trial or a sweep in {state_dir}; "
        "models:/NAME@ALIAS and OWNER/NAME on the hub are taken, too."
    )


def _inside(folder: Path) -> Path:
    """A model's own folder, given it or the trial's. One without a card is taken as it is: who asks may know better."""
    if not (folder / CARD).exists() and (folder / MODEL / CARD).exists():
        return folder / MODEL
    if not (folder / CARD).exists() and (folder / CONFIG).exists():
        raise UserError(f"{folder} is a trial without a model: it has not been trained to its end.")
    return folder


def _default(state_dir: Path) -> Found:
    if ranked := _ranked(state_dir):
        return ranked
    return Found(SHIPPED, "the model that ships with macsql")


def _ranked(state_dir: Path, sweep: str | None = None) -> Found | None:
    """The best finished trial (of a sweep) whose model is there and was trained to write SQL; None without any."""
    candidates: list[tuple[Path, dict[str, float]]] = []
    for card in sorted((state_dir / "trials").glob(f"*/{MODEL}/{CARD}")):
        trial = card.parent.parent
        if sweep is not None and not re.fullmatch(rf"{re.escape(sweep)}(-\d{{4,}})?-[0-9a-f]{{8}}", trial.name):
            continue
        result = read_result(trial)
        if result is None or result.status != "FINISHED" or "decomposer" not in read_card(card.parent).agents:
            continue
        candidates.append((trial, dict(result.metrics)))
    for measure in MEASURES:
        sign = 1 if measure == "eval_loss" else -1
        having = [(sign * told[measure], trial.name, trial) for trial, told in candidates if measure in told]
        if having:
            value, name, trial = min(having)
            best = "lowest" if sign == 1 else "highest"
            why = f"the {best} {measure}, {sign * value:.4g}, of {len(having)} finished"
            return Found(trial / MODEL, name, why)
    return None


def _registered(reference: str, state_dir: Path, tracking_uri: str | None) -> Found:
    from macsql.tracking.registry import downloaded

    folder = downloaded(reference, tracking_uri, state_dir)
    cards = sorted(folder.rglob(CARD), key=lambda path: len(path.parts))
    if not cards:
        raise UserError(f"{reference} is not a model of macsql: what is registered there holds no {CARD}.")
    return Found(cards[0].parent, reference)


def _of_run(run_id: str, state_dir: Path, tracking_uri: str | None) -> Found:
    from macsql.tracking.registry import trial_of

    name = trial_of(run_id, tracking_uri, state_dir)
    trial = state_dir / "trials" / name
    if not trial.is_dir():
        raise UserError(f"The run {run_id} is the trial {name}, whose folder is not in {state_dir}/trials.")
    return Found(_inside(trial), name)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name))
    except Exception as error:  # the hub's own kinds, the network's, and the cache's
        raise UserError(
            f"There is no model {name!r} here, and the hub gives none of that name ({first_line(error)})."
        ) from error
