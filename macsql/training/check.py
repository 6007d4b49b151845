"""What is wrong with a trial's configuration, or asked for in vain, as far as that can be seen without reading data."""

from pathlib import Path

from macsql.config import Config
from macsql.errors import UserError
from macsql.models import families
from macsql.models.codecs import codec
from macsql.training import mixture

LIGER = "no effect: stock liger-kernel has no T5"


def check(config: Config) -> None:
    """Raise UserError for the first thing that a trial would die of."""
    codec(config.codec.name)
    mixture.check(config.mixture)
    try:
        Path(config.tracking.state_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"tracking.state_dir={config.tracking.state_dir} cannot be made ({error.strerror}): "
            "name a folder that can be written to."
        ) from error
    trainer = config.trainer
    for key in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
        if getattr(trainer, key) < 1:
            raise UserError(f"trainer.{key}={getattr(trainer, key)}: at least 1 is needed.")
    if not trainer.learning_rate > 0:
        raise UserError(f"trainer.learning_rate={trainer.learning_rate}: a rate above 0 is needed.")
    if trainer.num_train_epochs <= 0 and trainer.max_steps <= 0:
        raise UserError(f"trainer.num_train_epochs={trainer.num_train_epochs}: more than 0 is needed.")
    families.check(config.model)


def notes(config: Config) -> list[str]:
    """A sentence for each thing that the configuration asks for and that changes nothing, or cannot be meant."""
    factor, lines = config.scale.learning_rate_factor, []
    if config.trainer.use_liger_kernel:
        lines.append(f"trainer.use_liger_kernel=true has {LIGER}.")
    if factor != 1 and not families.made_here(config.model):
        lines.append(
            f"scale.learning_rate_factor={factor:g} multiplies every learning rate, which is meant for random weights "
            "and not for a checkpoint: leave +scale out, or set it to 1."
        )
    return lines
