"""In which numbers a trial computes, and why: bf16 where the hardware has it and the model is large enough.

With eight rows of 195 tokens and fused AdamW on an AMD EPYC with avx512_bf16, a step of a T5 or a Llama under autocast
is so many times faster than in fp32 (one thread, two threads):

    0.9 M parameters  1.3  1.1        16 M    1.6  1.6
    3.1 M             1.5  1.4        60 M    1.7  1.7
    6.8 M             1.5  1.4        134 M   1.7  1.5

A CPU without them computes bf16 slower than fp32.
"""

from dataclasses import dataclass
from functools import cache

from macsql.config import Config
from macsql.errors import UserError

PAYS = 2_000_000  # parameters; below this bf16 gains little on a CPU
INSTRUCTIONS = ("amx_bf16", "avx512_bf16")  # of a CPU, as torch.cpu.get_capabilities() names them


@dataclass(frozen=True)
class Precision:
    """What weights and activations are multiplied in; weights, gradients and losses are kept in fp32."""

    bf16: bool
    why: str

    def __str__(self) -> str:
        return f"{'bf16' if self.bf16 else 'fp32'} ({self.why})"


def precision(config: Config) -> Precision:
    """The precision of a configuration's training, evaluation and answers on this machine.

    Raises UserError where trainer.bf16 is neither true, false nor auto.
    """
    asked = config.trainer.bf16.lower()
    if asked not in {"auto", "true", "false"}:
        raise UserError(f"trainer.bf16={config.trainer.bf16}: write true, false or auto (where the hardware has it).")
    if asked != "auto":
        return Precision(asked == "true", f"trainer.bf16={asked}")
    if config.trainer.options.get("fp16"):
        return Precision(False, "trainer.fp16=true")
    if not on_cpu(config):
        return _of_the_gpu()
    return _of_the_cpu(config)


def on_cpu(config: Config) -> bool:
    """Whether trials of a configuration compute on this machine's CPU."""
    import torch

    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    return bool(config.trainer.options.get("use_cpu")) or not gpu


def _of_the_gpu() -> Precision:
    import torch

    has = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return Precision(has, "the GPU has bf16" if has else "the GPU has no bf16")


def _of_the_cpu(config: Config) -> Precision:
    from macsql.models.families import parameters

    found = cpu_instruction()
    if found is None:
        return Precision(False, f"this CPU has neither {' nor '.join(INSTRUCTIONS)}")
    size = parameters(config.model)  # a checkpoint that only the hub knows is not a tiny one
    if size is not None and size < PAYS:
        return Precision(False, f"{size / 1e6:.1f} M parameters gain little from this CPU's {found}")
    return Precision(True, f"this CPU has {found}")


@cache
def cpu_instruction() -> str | None:
    """The name of this CPU's bf16 instructions; None where it has none."""
    import torch

    has = torch.cpu.get_capabilities()
    return next((name for name in INSTRUCTIONS if has.get(name)), None)
