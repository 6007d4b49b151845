"""What listens to the Trainer: losses are told as they come, and a request to stop leaves a checkpoint."""

import math
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from macsql.system.room import free_memory, give_back, held_memory
from macsql.trials.stopping import Diverged, StopRequest


class Report(TrainerCallback):
    """Hands losses to `on_log` as (step, epoch, metrics), and stops the training where one is not a finite number.

    A gradient's norm decides nothing and is left out where it is none: in fp16 the first steps overflow by design and
    are skipped, until the scale of the loss is small enough.
    """

    KEPT = ("loss", "grad_norm", "learning_rate", "eval_loss")
    DECIDING = ("loss", "eval_loss")

    def __init__(self, on_log: Callable[[int, float, dict[str, float]], None]) -> None:
        self.tell = on_log

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:  # noqa: ARG002
        """Called by the Trainer for each training loss and each evaluation."""
        found = {name: float(logs[name]) for name in self.KEPT if logs and name in logs}
        kept = {name: value for name, value in found.items() if math.isfinite(value)}
        for name in self.DECIDING:
            if name in found and name not in kept:
                raise Diverged(f"{name} is {found[name]} at step {state.global_step}")
        if kept:
            self.tell(state.global_step, float(state.epoch or 0.0), kept)


class Checkpoints(TrainerCallback):
    """Sees to it that an undisturbed run passes through each checkpoint, and ends the training with one on request.

    An epoch's last step is followed by what the Trainer does between two epochs, evaluation above all; a checkpoint of
    that step is written behind all of it, because a resumed run begins with the next epoch. Where the step itself is
    evaluated a request waits for the next step: the checkpoint could pass for the best one, out of its turn.
    """

    def __init__(self, stop: StopRequest) -> None:
        self.stop = stop
        self.due = False  # a checkpoint is to be written at the epoch's end

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:  # noqa: ARG002
        """Called by the Trainer after each optimizer step; its own wishes are in `control` already."""
        over = control.should_training_stop
        if self.stop.requested and not over and not control.should_evaluate:
            control.should_save = True
        if over or float(state.epoch or 0.0).is_integer():  # on_epoch_end comes next
            self.due, control.should_save = control.should_save, False
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:  # noqa: ARG002
        """Called by the Trainer after each epoch, and after one that was cut short too."""
        control.should_save = control.should_save or self.due
        self.due = False
        return control

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Called by the Trainer behind each checkpoint. Raises Interrupted: its own end would keep only the best."""
        self.stop.check()


class Memory(TrainerCallback):
    """Gives memory back between two steps where it grows scarce: less is free than half of what the trial holds.

    What long rows leave in pieces grows from step to step: SmolLM2 on two rows of 2,950 tokens held 4.8 GiB, 9.9 and
    12.2 after its first three steps, of which weights and Adam are 2.0. Steps are faster where it is kept, with room.
    """

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Called by the Trainer after each micro-batch but a step's last."""
        if args.device.type == "cpu" and free_memory() < held_memory() / 2:
            give_back()

    on_step_end = on_substep_end
    on_prediction_step = on_substep_end
