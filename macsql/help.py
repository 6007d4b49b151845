"""What `--help` says: the commands, and for those that take key=value their own keys and the groups of conf/."""

import sys
from pathlib import Path

from macsql.places import CONF

COMMANDS = {
    "sweep": "+experiment=lr_bs [key=value ...]   a sweep; the same command again resumes it",
    "train": "[key=value ...]   one fine-tune, the unit that a sweep repeats",
    "pretrain": "+experiment=pocket_base [key=value ...]   the built-in model from random weights; resumes",
    "build": "data=spider data.root=DIR out=FILE   the agents' examples as chat JSONL",
    "audit": "[key=value ...]   can this model's tokenizer and window represent this data at all?",
    "evaluate": "[key=value ...]   the three agents end to end on a benchmark; seats=matrix: what each is worth",
    "score": "--protocol P[,P] --gold FILE --pred FILE --db DIR   scores of prediction files",
    "compare": "NAME [--html FILE]   an experiment's runs beside the poster's figures",
    "ask": '--db FILE "QUESTION"   a question to a SQLite file, answered with SQL and rows',
}
TRY = "data.questions=20 trainer.num_train_epochs=1"
# A command that takes key=value -> its own keys with a line each, and what to try first.
KEYS: dict[str, dict[str, str]] = {
    "sweep": {
        "sweep.name": "the sweep's name; its trials and its report go by it",
        "sweep.metric": "objectives; the first one names the best trial: [eval_loss]",
        "sweep.direction": "minimize or maximize, one for each objective",
        "sweep.repeats": "seeds for each setting",
        "sweep.max_retries": "attempts after the first for a trial that dies",
        "sweep.dry_run": "true prints the plan and its cost, and stops",
        "key=1,2": "an axis of the search space; also choice(A, B), range(A, B), interval(A, B)",
    },
    "train": {
        "seed": "of weights, data order and dropout",
        "tracking.state_dir": "folder for everything that is kept: mlruns",
    },
    "pretrain": {
        "seed": "of weights and data order",
        "data.databases": "random databases to learn from",
        "tracking.state_dir": "folder for everything that is kept: mlruns",
    },
    "build": {
        "out": "the file for the rows; it must be given",
        "build.splits": "parts of the data whose questions become rows: [train,eval]",
    },
    "audit": {
        "audit.out": "a JSON file for the figures",
        "audit.fail_below": "refuse (exit code 1) where an agent's exact match cannot reach this share",
    },
    "evaluate": {
        "evaluate.split": "the part of the data that is asked: test",
        "evaluate.protocols": "of macsql.score, as in [spider-ex,bird-ves]; left out, those of the corpus",
        "evaluate.test_suite": "a folder of DB/*.sqlite: spider-ex on several files for each database, too",
        "evaluate.export": "files for the official scripts: [spider,bird,mac-sql]",
        "evaluate.ves_repeats": "timed runs of each query for bird-ves and bird-rves",
    },
}
FIRST = {
    "sweep": f"+experiment=lr_bs {TRY} sweep.name=try",
    "train": TRY,
    "pretrain": "+experiment=pocket_base data.databases=40 trainer.max_steps=100",
    "build": "data.questions=20 out=rows.jsonl",
    "audit": "data.questions=20 codec=verbatim",
    "evaluate": "seats=oracle data.questions=20",
}


def typed() -> str:
    """The command as it was typed: `macsql sweep`, or `python -m macsql.sweep`."""
    return sys.argv[0] if sys.argv[0].startswith("macsql ") else f"python -m macsql.{Path(sys.argv[0]).stem}"


def commands(console: bool = True) -> str:
    """All commands, a line each."""
    start = "macsql " if console else "python -m macsql."
    return "\n".join(f"  {start}{name} {line}" for name, line in COMMANDS.items())


def of_command() -> str:
    """The help of the command that was typed, one of KEYS."""
    line = typed()
    name = line.replace(".", " ").split()[-1]
    usage, _, about = COMMANDS.get(name, "[key=value ...]   ").partition("   ")
    own = KEYS.get(name, {})
    width = max(map(len, own), default=0)
    groups = [
        f"  {folder.name}: {', '.join(sorted(path.stem for path in folder.glob('*.yaml')))}"
        for folder in sorted(CONF.iterdir())
        if folder.is_dir()
    ]
    parts = [
        f"{line} {usage}\n{about}",
        "Its own keys:\n" + "\n".join(f"  {key:{width}}  {words}" for key, words in own.items()),
        "Groups (choose with group=name; `experiment` and `scale` with a plus sign):\n" + "\n".join(groups),
        "`--cfg job` prints every key with its value.",
        f"To try it first (a few minutes): {line} {FIRST.get(name, '')}",
        "All commands:\n" + commands(line.startswith("macsql ")),
    ]
    return "\n\n".join(parts)
