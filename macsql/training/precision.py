"""In which numbers a trial computes, and where, by its configuration; macsql.system.precision says what pays."""

from macsql.config import Config
from macsql.system.precision import PAYS, Precision, check_bf16, device_of, precision_of


def precision(config: Config) -> Precision:
    """The precision of a configuration's training, evaluation and answers on this machine.

    Raises UserError where trainer.bf16 is neither true, false nor auto.
    """
    from macsql.models.families import parameters

    trainer = config.trainer
    check_bf16("trainer.bf16", trainer.bf16)
    if trainer.bf16.lower() == "auto" and trainer.options.get("fp16"):
        return Precision(False, "trainer.fp16=true")
    # a checkpoint that only the hub knows is not a tiny one
    return precision_of("trainer.bf16", trainer.bf16, _device(config), lambda: parameters(config.model), PAYS)


def on_cpu(config: Config) -> bool:
    """Whether trials of a configuration compute on this machine's CPU."""
    return _device(config) == "cpu"


def _device(config: Config) -> str:
    return device_of(bool(config.trainer.options.get("use_cpu")))
