"""Every key a configuration may hold, with its type and its default: one dataclass for each group of conf/.

A choice of a group (conf/GROUP/CHOICE.yaml) states only the keys in which it differs from the defaults here.

Hydra composes the YAML; `validate` binds the result to these classes before anything is built, so that a word where a
number belongs, or a key nobody reads, dies in a second with a sentence that names it. A composed configuration is
read-only afterwards. No heavy import here: `--help` and `--cfg job` come through this module.
"""

import contextlib
import copy
import difflib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, get_args, get_origin

import yaml
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from macsql.errors import UserError, first_line, shown

# What older versions called otherwise, as it stands on a command line: a key, or a value of a key or of a group.
RENAMED: dict[str, str] = {
    "agents=compact": "agents=brief",
    "agents.style=compact": "agents.style=brief",
    "agents.second_look": "agents.augment",
    "data.forms": "data.templates",
    "data.phrasings": "data.paraphrases",
    "codec=compact": "codec=marks",
    "codec.name=compact": "codec.name=marks",
}

AUTO = "auto"  # executor.threads: measured on this machine

# What a value must be, in words.
NEEDED: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    list: "a list, as in [A, B],",
    dict: "a mapping, as in {KEY: VALUE},",
}


@dataclass
class DataConfig:
    """Where questions come from (conf/data)."""

    format: str = MISSING  # pocket | synthetic | spider | bird | text2sql | chat
    root: str | None = None  # folder in the corpus's published layout; null where the project makes the data itself
    split_by: str = "published"  # published | question | query | database: how train, eval and test are told apart
    eval_fraction: float = (
        0.1  # share of training questions (or databases) set aside for eval where the corpus has no eval part
    )
    test_fraction: float = 0.1  # the same for test
    limit: int | None = None  # at most this many questions of each split, chosen by seed
    questions: int = 0  # pocket and synthetic: questions to make for each database
    databases: int = 0  # pocket: the first so many of its databases, 0: all; generated: how many are made
    templates: list[str] = field(default_factory=list)  # pocket and synthetic: of the question grammar; empty: all
    paraphrases: int | None = None  # pocket and synthetic: wordings of a template, the plainest first; null: all
    fold: int = 0  # text2sql sets published as numbered folds: this one is test, the next one eval
    rename: dict[str, str] = field(default_factory=dict)  # text2sql: names in the queries -> names in the database
    database_root: str | None = None  # chat: folder with DB/DB.sqlite, so that answers can be executed
    seed: int = 0
    strict: bool = False  # true: refuse a file with malformed rows instead of counting and naming them


@dataclass
class AgentsConfig:
    """How the three agents' prompts and training examples are made (conf/agents)."""

    style: str = MISSING  # mac_sql | brief
    roles: list[str] = field(default_factory=lambda: ["selector", "decomposer", "refiner"])
    value_examples: int = 6  # most frequent values shown for a column
    value_links: int = 0  # values that the question names, shown for a column before those; 0: off
    max_source_tokens: int = 512  # brief: budget of a prompt; the schema is cut to fit, the question never
    max_target_tokens: int = 256  # brief: budget of a Decomposer answer; its first steps are left out, the last never
    augment: bool = True  # train questions of several steps are asked once more on another form of their schema
    refiner_per_question: int = 1  # corrupted queries made from one gold query
    sql: str = "published"  # of the answers: as the corpus has it | plain: the schema's names, no idle aliases
    seed: int = 0


@dataclass
class CodecConfig:
    """How targets are written so that the tokenizer can represent them (conf/codec)."""

    name: str = MISSING  # verbatim | marks | tokens


@dataclass
class MixtureConfig:
    """How the three agents' examples are balanced in training (conf/mixture)."""

    name: str = MISSING  # real | undersample | oversample | temperature | matched
    temperature: float = 1.0  # temperature: share of an agent ~ count ** (1 / temperature)
    resample: bool = False  # draw anew every epoch
    steps: int | None = None  # optimizer steps of an epoch, whatever the mixture; null: what its rows give
    ratio: dict[str, float] = field(default_factory=dict)  # agents' rows thinned to this ratio before mixing; {}: all
    rows: int | None = None  # this many rows, drawn by seed in that ratio, smaller sets inside larger ones; null: all
    seed: int = 0


@dataclass
class LoraConfig:
    """Train small matrices beside a model's linear layers in the place of all its weights (model.lora)."""

    r: int = 0  # their rank; 0: all weights are trained
    alpha: float = 32.0  # what they add to a layer is multiplied by alpha / r
    targets: Any = "all-linear"  # which layers: all-linear, or names as in [q_proj, v_proj]
    merge: bool = True  # the trained model is plain weights; false: adapters beside the weights they were trained on


@dataclass
class ModelConfig:
    """Which model is fine-tuned (conf/model)."""

    name: str = MISSING
    path: str | None = None  # a local folder in the hub's layout; takes the place of hub_id
    hub_id: str | None = None
    made: str | None = None  # a folder that a command of ours writes; where it exists it takes the place of hub_id
    made_by: str | None = None  # that command
    shipped: str | None = None  # a folder of macsql/weights: weights that come with the package
    pocket: dict[str, Any] = field(default_factory=dict)  # sizes of a T5 made here with random weights
    max_source_length: int = 512  # tokens; longer sources are cut on the right, and counted
    max_target_length: int = 256
    template: str = "auto"  # decoder-only: auto (the tokenizer's chat template, where it has one) | none (plain text)
    lora: LoraConfig = field(default_factory=LoraConfig)  # as in {r: 16, alpha: 32, targets: all-linear}
    known_training_data: list[str] = field(default_factory=list)  # corpora the checkpoint may have seen


@dataclass
class TrainerConfig:
    """Arguments of transformers' TrainingArguments under their own names (conf/trainer).

    The ones a sweep usually touches are typed here; any other goes to `options` and is bound to the Trainer's own
    class before a sweep starts.
    """

    learning_rate: float = 5e-5
    per_device_train_batch_size: int = 8
    per_device_eval_batch_size: int = 8
    gradient_accumulation_steps: int = 1
    num_train_epochs: float = 3.0
    max_steps: int = -1
    lr_scheduler_type: str = "linear"
    warmup_steps: float = 0  # below 1: a share of all steps
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    label_smoothing_factor: float = 0.0
    optim: str = "adamw_torch_fused"  # every device that torch knows has it
    bf16: str = "auto"  # true | false | auto (where the hardware has it and the model is large enough)
    use_liger_kernel: str = "false"  # true | false | auto (where it can run): fused GPU operations, models/liger.py
    train_sampling_strategy: str = "random"
    eval_strategy: str = "epoch"
    eval_steps: float | None = None
    save_strategy: str = "epoch"
    save_steps: float = 500
    save_total_limit: int | None = 1
    load_best_model_at_end: bool = True
    metric_for_best_model: str = "eval_loss"
    greater_is_better: bool | None = None
    early_stopping_patience: int | None = None  # of transformers' EarlyStoppingCallback
    early_stopping_threshold: float = 0.0
    logging_steps: float = 1
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def rows_per_step(self) -> int:
        """Training rows of one optimizer step."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps


@dataclass
class GenerationConfig:
    """How answers are generated; names are those of transformers' GenerationConfig (conf/generation)."""

    batch_size: int = 32  # examples at once, sorted by length
    max_new_tokens: int = 512  # an answer that reaches this is counted as truncated
    num_beams: int = 1
    do_sample: bool = False
    temperature: float = 1.0
    limit: int | None = None  # at most this many test examples per agent; null: all
    constrained: bool = False  # true: only well-formed answers with names of the schema and values of the prompt
    guided: bool = False  # true: of the beams' answers the best one whose SQL runs and gives rows


@dataclass
class MetricsConfig:
    """What is measured after training (conf/metrics)."""

    time_limit: float = 5.0  # seconds for one SQL statement
    workers: int = 1  # sandbox processes


@dataclass
class SearchConfig:
    """Which settings a sweep tries (conf/search)."""

    sampler: str = MISSING  # grid | tpe | random
    space: dict[str, Any] = field(default_factory=dict)  # key -> Hydra sweep expression, as in "choice(4, 8)"
    points: list[dict[str, Any]] = field(
        default_factory=list
    )  # settings of one's own, before the space or instead of it
    n_trials: int | None = None  # tpe and random
    seed: int = 0
    pruner: str = "none"  # none | median


@dataclass
class SweepConfig:
    """The sweep itself."""

    name: str = "sweep"  # the study's name; trials, results.csv and the comparison go by it
    metric: list[str] = field(default_factory=lambda: ["eval_loss"])  # objectives; the first one names the best trial
    direction: list[str] = field(default_factory=lambda: ["minimize"])  # minimize | maximize, one for each
    repeats: int = 1  # seeds per setting
    max_retries: int = 1  # attempts after the first for a trial that dies
    dry_run: bool = False  # true: print the plan and its cost, and stop

    @property
    def objectives(self) -> list[str]:
        """Where a trial's result has each objective. An agent's metric is taken on the eval questions: those of test,
        which the comparison reports, must choose nothing."""
        return [f"eval/{name}" if "/" in name else name for name in self.metric]

    def sign(self, objective: int = 0) -> int:
        """1 where a lower value of the objective at this place is better, -1 where a higher one is."""
        return 1 if self.direction[objective] == "minimize" else -1


@dataclass
class ExecutorConfig:
    """Where trials run (conf/executor)."""

    name: str = MISSING  # local | ray | slurm
    workers: int | None = None  # trials at once; null: what the machine and the model's size suggest
    threads: int | str | None = None  # CPU threads per trial; auto: measured here; null: the same as for workers
    options: dict[str, Any] = field(default_factory=dict)  # executor's own

    @property
    def fixed_threads(self) -> int | None:
        """The number of threads that is asked for; None for null and for auto."""
        return None if self.threads in (None, AUTO) else int(self.threads or 0)


@dataclass
class TrackingConfig:
    """Where runs are recorded (conf/tracking)."""

    uri: str | None = None  # MLflow tracking URI; null: SQLite under state_dir
    storage: str | None = None  # Optuna storage URL; null: SQLite under state_dir
    state_dir: str = "mlruns"
    register: bool = False  # whether the best trial's model, or the one of macsql.train, is registered in MLflow
    registered_model: str | None = None  # its name there, as in models:/NAME@best; null: the sweep's, or the trial's
    trace: bool = False  # whether macsql.evaluate keeps the turns of each question as a trace in MLflow


@dataclass
class ApiConfig:
    """A server that speaks as OpenAI's does: GPT-4, vLLM, Ollama, llama.cpp, `transformers serve`."""

    model: str = "gpt-4"  # as the server calls it
    base_url: str | None = None  # as in http://127.0.0.1:8000/v1; null: OpenAI's own
    key_env: str = "OPENAI_API_KEY"  # the environment variable that holds the key; it is read nowhere else
    style: str = "mac_sql"  # prompt style
    max_source_length: int = 8192  # estimated tokens of a prompt; a wide schema is cut to it by relevance
    max_target_length: int = 1024  # tokens of an answer
    timeout: float = 120.0  # seconds for one request
    max_retries: int = 5  # of a request, with back-off: rate limits, server errors, lost connections, broken answers
    parallel: int = 4  # requests at once
    requests_per_minute: float | None = None  # at most; null: no limit of ours
    prompt_price: float = 0.0  # per million tokens, in whatever currency
    answer_price: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)  # further fields of a request, as in {top_p: 0.9}


@dataclass
class SeatsConfig:
    """Who plays the three agents end to end, and how they work together (conf/seats)."""

    selector: str = "model"  # model | chat_api | oracle (the gold SQL) | none
    decomposer: str = "model"
    refiner: str = "model"
    model: str | None = None  # folder, trial, sweep, run id, models:/NAME@ALIAS, OWNER/NAME, pocket; null: the best
    models: dict[str, str] = field(default_factory=dict)  # agent -> a model of its own, or what the server calls it
    style: str | None = None  # prompt style of a model without card.json; null: its card's
    api: ApiConfig = field(default_factory=ApiConfig)
    matrix: bool = False  # true: also the oracle and nobody in each seat, and what each agent is worth
    rounds: int = 3  # of the Refiner, at most
    refine: str = "all"  # all: on errors, no rows and None among the first rows; errors: on errors alone
    skip_small: bool = True  # the Selector is skipped on a small schema, as in MAC-SQL
    bf16: str = "auto"  # in which numbers models compute: auto | true | false
    use_cpu: bool = False  # true: models compute on the CPU of a machine that has a GPU


@dataclass
class ScaleConfig:
    """What a built-in run changes so that it fits a laptop (conf/scale)."""

    name: str = "full"
    learning_rate_factor: float = 1.0  # the Trainer gets trainer.learning_rate times this
    note: str = ""  # said in the plan and in the comparison


@dataclass
class BuildConfig:
    """What `macsql.build` writes."""

    splits: list[str] = field(default_factory=lambda: ["train", "eval"])  # the parts whose questions become rows


@dataclass
class AuditConfig:
    """What `macsql.audit` leaves behind, and when it (or a sweep) refuses."""

    out: str | None = None  # JSON file: an object per agent
    fail_below: float | None = None  # refuse where an agent's exact match cannot reach this share; null: never


@dataclass
class EvaluateConfig:
    """What `macsql.evaluate` asks and how it scores the answers."""

    split: str = "test"  # train | eval | test: the part of the data that is asked
    protocols: list[str] = field(default_factory=list)  # of macsql.score; empty: those of the corpus
    test_suite: str | None = None  # a folder of DB/*.sqlite: spider-ex on several files for each database, too
    export: list[str] = field(default_factory=list)  # spider, bird, mac-sql: answers as the official scripts read them
    ves_repeats: int = 100  # bird-ves, bird-rves: timed runs of each query


@dataclass
class Config:
    """The whole configuration of a trial or a sweep."""

    data: DataConfig = field(default_factory=DataConfig)
    agents: AgentsConfig = field(default_factory=AgentsConfig)
    build: BuildConfig = field(default_factory=BuildConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    seats: SeatsConfig = field(default_factory=SeatsConfig)
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    seed: int = 0  # of weights, data order and dropout; the n-th repeat of a setting adds n
    out: str | None = None  # build: the file for the rows


def validate(cfg: DictConfig) -> Config:
    """Bind a composed configuration to its types.

    Returns the read-only `Config`. Raises UserError naming the first key that is unknown, missing or of the wrong type.
    """
    try:
        _refuse_renamed(OmegaConf.to_container(cfg, resolve=False))
        written = copy.deepcopy(_with_trainer_options(cfg))
        OmegaConf.resolve(written)  # before the types: a text that quotes a number quotes it as it was written
        _check_search(OmegaConf.to_container(written))
        lora = OmegaConf.select(written, "model.lora", default={})
        if not isinstance(lora, dict | DictConfig):
            raise UserError(
                f"model.lora={shown(lora)}: write {{r: 16, alpha: 32, targets: all-linear}}, or model.lora.r=0 to "
                "train all weights."
            )
        bound = OmegaConf.merge(OmegaConf.structured(Config), written)
        return OmegaConf.to_object(bound)  # type: ignore[return-value]
    except ConfigKeyError as error:
        raise UserError(no_key(str(error.full_key))) from error
    except MissingMandatoryValue as error:
        raise UserError(f"The configuration has no value for {error.full_key!r}.") from error
    except InterpolationResolutionError as error:
        raise UserError(_unset(cfg, error)) from error
    except (ValidationError, OmegaConfBaseException) as error:
        raise UserError(_misfit(written, str(error.full_key), error)) from error


def renamed(key: str, value: Any = None) -> str | None:
    """One sentence for a key, or a value of it, that has another name now; None for any other."""
    for old in (key, f"{key}={value}"):
        if old in RENAMED:
            return f"{old} is called {RENAMED[old]} now."
    return None


def no_key(key: str) -> str:
    """One sentence for a key that nobody reads: the nearest one there is, and where to look."""
    near = difflib.get_close_matches(key, flatten(Config()), n=1, cutoff=0.8)
    return f"There is no key {key!r}: {f'did you mean {near[0]}? ' if near else ''}`--cfg job` prints the keys."


def _misfit(cfg: DictConfig, key: str, error: Exception) -> str:
    """One sentence for a value that is not of its key's type: "data.questions=many: a whole number is needed."."""
    kind: Any = Config
    for name in re.split(r"[.[]", key):
        if hasattr(kind, "__dataclass_fields__"):
            kind = {item.name: item.type for item in fields(kind)}.get(name)
        elif get_args(kind) and get_origin(kind) is not UnionType:  # an item of a list or a mapping
            kind = get_args(kind)[-1]
    null = get_origin(kind) is UnionType
    plain = get_args(kind)[0] if null else kind
    if (words := NEEDED.get(get_origin(plain) or plain)) is None:
        return f"Bad value for {key!r}: {first_line(error)}."
    return f"{key}={shown(OmegaConf.select(cfg, key)).strip(chr(39))}: {words}{' or null' if null else ''} is needed."


def _refuse_renamed(tree: Any) -> None:
    """Raise UserError for the first key or value of a tree that has another name now."""
    for key, value in _flat(tree, ""):
        if said := renamed(key, value):
            raise UserError(said)


def _check_search(tree: Any) -> None:
    """Raise UserError where search.space or search.points have another shape; the types' own sentence names no key."""
    search = tree.get("search") or {}
    space, settings = search.get("space", {}), search.get("points", [])
    if not isinstance(space, dict):
        raise UserError(f"search.space={space} is not a space: write {{KEY: choice(A, B)}}.")
    if not isinstance(settings, list):
        raise UserError(f"search.points={settings} is not a list of settings: write [{{KEY: VALUE}}, ...].")
    for setting in settings:
        if not isinstance(setting, dict):
            raise UserError(f"search.points: {setting} is not a setting: write [{{KEY: VALUE}}, ...].")


def _unset(cfg: DictConfig, error: Exception) -> str:
    """One sentence for a value that is to come from somewhere else and does not."""
    keys = {str(text): key for key, text in _flat(OmegaConf.to_container(cfg, resolve=False), "")}
    if found := re.search(r"Environment variable '(\w+)' not found", str(error)):
        variable = found[1]
        key = next((key for text, key in keys.items() if f"oc.env:{variable}" in text), "a key")
        return f"{key} has no value: write {key}=VALUE, or set the environment variable {variable}."
    return f"The configuration could not be resolved: {first_line(error)}."


def to_yaml(config: Config) -> str:
    """The configuration as YAML that `from_yaml` reads back to an equal object."""
    return yaml.dump(asdict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes every text but plain words: what YAML 1.1 takes for text, OmegaConf may take for a number (1e-5)."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: Any, text: str) -> Any:
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", text) and not re.fullmatch(
        r"(?i)y|n|yes|no|on|off|true|false|null|nan|inf", text
    )
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text)


def from_yaml(text: str) -> Config:
    """The configuration that `to_yaml` wrote. Raises UserError as `validate` does.

    A text that is whole and of the right types is bound without OmegaConf, which takes some forty times as long; any
    other, of an older version for one, goes through `validate`.
    """
    if "${" not in text and MISSING not in text:
        with contextlib.suppress(yaml.YAMLError, _Misfit):
            tree = yaml.load(text, _Loader)
            bound = _bound(Config, tree)
            _refuse_renamed(tree)
            return bound
    return validate(DictConfig(OmegaConf.create(text)))


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Misfit(Exception):
    """A value that is not of its key's type as it stands."""


def _bound(kind: Any, value: Any) -> Any:
    """A value that is of a type already, dataclasses made of their keys. Raises _Misfit for any other."""
    if kind is Any:
        return value
    if hasattr(kind, "__dataclass_fields__"):
        keys = {item.name: item.type for item in fields(kind)}
        if not isinstance(value, dict) or value.keys() != keys.keys():
            raise _Misfit
        return kind(**{name: _bound(own, value[name]) for name, own in keys.items()})
    if get_origin(kind) is UnionType:
        kind = next((one for one in get_args(kind) if type(value) is (get_origin(one) or one)), _Misfit)
    if type(value) is not (get_origin(kind) or kind):
        raise _Misfit
    if isinstance(value, list):
        return [_bound(get_args(kind)[0], item) for item in value]
    if isinstance(value, dict):
        key_kind, value_kind = get_args(kind)
        return {_bound(key_kind, key): _bound(value_kind, item) for key, item in value.items()}
    return value


def flatten(config: Config) -> dict[str, Any]:
    """Dotted key -> value for every leaf, lists and nulls included."""
    return dict(_flat(asdict(config), ""))


def _flat(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _with_trainer_options(cfg: DictConfig) -> DictConfig:
    """Move trainer keys that are not typed above under trainer.options, so that `+trainer.adam_beta2=0.98` is legal."""
    trainer = cfg.get("trainer")
    if trainer is None:
        return cfg
    typed = {item.name for item in fields(TrainerConfig)}
    extra = {key: trainer[key] for key in trainer if key not in typed}
    if not extra:
        return cfg
    cfg = copy.deepcopy(cfg)
    OmegaConf.set_struct(cfg, False)
    for key, value in extra.items():
        del cfg.trainer[key]
        OmegaConf.update(cfg, f"trainer.options.{key}", value, force_add=True)
    return cfg
