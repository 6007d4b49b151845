"""A trial's folder, <state_dir>/trials/<key>: all that is asked of a trial and all that comes of it.

    config.yaml         asked: the whole configuration
    trial.json          what the sweep says of it: its place, its setting, seed number, label, tags, the folder of its
                        examples
    trial.lock          held by the process that is at work here
    log.txt             what that process prints
    jobs/               executor=slurm: its jobs
    events.jsonl        told on the way: losses per step, evaluations, final metrics (macsql.trials.events)
    checkpoints/        the Trainer's own; gone once the trial has ended (macsql.trials.checkpoints)
    model/              the best model, in the hub's layout
    trained.json        steps and losses; its presence means that no step is left to take (macsql.trials.trained)
    predictions.jsonl   verdicts.jsonl
    eval_predictions.jsonl  eval_verdicts.jsonl   where an agent's metric is the objective: test questions choose
                        nothing
    result.json         how it ended; its presence means "done" (macsql.trials.result)
    shipped.json        what of it has arrived at MLflow (macsql.trials.ledger)

The folder is the truth: the study and MLflow can be drawn again from it. Training writes it, executors carry it,
the coordinator and the comparison read it; none of them needs to know the others.
"""

CONFIG = "config.yaml"
ABOUT = "trial.json"
LOCK = "trial.lock"
LOG = "log.txt"
JOBS = "jobs"
EVENTS = "events.jsonl"
CHECKPOINTS = "checkpoints"
MODEL = "model"
TRAINED = "trained.json"
PREDICTIONS = "predictions.jsonl"
VERDICTS = "verdicts.jsonl"
EVAL_PREDICTIONS = "eval_predictions.jsonl"
EVAL_VERDICTS = "eval_verdicts.jsonl"
RESULT = "result.json"
SHIPPED = "shipped.json"
