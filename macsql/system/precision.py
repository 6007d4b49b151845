"""In which numbers a model computes, where, and why: bf16 where the hardware has it and the model is large enough.

With eight rows of 195 tokens and fused AdamW on an AMD EPYC with avx512_bf16, a step of a T5 or a Llama under autocast
is so many times faster than in fp32 (one thread, two threads):

    0.9 M parameters  1.3  1.1        16 M    1.6  1.6
    3.1 M             1.5  1.4        60 M    1.7  1.7
    6.8 M             1.5  1.4        134 M   1.7  1.5

Answers are written in less than fp32's time from some twenty million parameters on (40 tokens to prompts of 300, one
thread; one prompt, batches of 16):

    6.8 M T5          0.8  1.0        60 M T5     1.1  1.4
    16 M T5           1.0  1.1        134 M       1.0  2.0
    28 M Llama        1.1  1.9

A CPU without them computes bf16 slower than fp32.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from macsql.errors import UserError

PAYS = 2_000_000  # parameters; below this bf16 gains little on a CPU in training
PAYS_IN_ANSWERS = 20_000_000  # and below this in answers
INSTRUCTIONS = ("amx_bf16", "avx512_bf16")  # of a CPU, as torch.cpu.get_capabilities() names them
WORDS = ("auto", "true", "false")


@dataclass(frozen=True)
class Precision:
    """What weights and activations are multiplied in; in training, weights, gradients and losses are kept in fp32."""

    bf16: bool
    why: str

    def __str__(self) -> str:
        return f"{'bf16' if self.bf16 else 'fp32'} ({self.why})"


def check_bf16(key: str, asked: str) -> None:
    """Raise UserError where a key that asks for a precision has another value than true, false or auto."""
    if asked.lower() not in WORDS:
        raise UserError(f"{key}={asked}: write true, false or auto (where the hardware has it).")


def precision_of(key: str, asked: str, device: str, size: Callable[[], int | None], pays: int) -> Precision:
    """The precision that suits a device of this machine and a model.

    `key` and `asked` are a key of the configuration and its value; `size` counts the model's parameters where they
    matter (None: many); on a CPU bf16 is of use from `pays` parameters on. Raises UserError as `check_bf16` does.
    """
    check_bf16(key, asked)
    if asked.lower() != "auto":
        return Precision(asked.lower() == "true", f"{key}={asked.lower()}")
    return _of_the_cpu(size(), pays) if device == "cpu" else _of_the_gpu()


def device_of(use_cpu: bool) -> str:
    """Where models compute, in torch's words: a GPU of this machine where it has one, unless the CPU is asked for."""
    import torch

    if use_cpu:
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _of_the_gpu() -> Precision:
    import torch

    has = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return Precision(has, "the GPU has bf16" if has else "the GPU has no bf16")


def _of_the_cpu(size: int | None, pays: int) -> Precision:
    found = cpu_instruction()
    if found is None:
        return Precision(False, f"this CPU has neither {' nor '.join(INSTRUCTIONS)}")
    if size is not None and size < pays:
        return Precision(False, f"{size / 1e6:.1f} M parameters gain little from this CPU's {found}")
    return Precision(True, f"this CPU has {found}")


@cache
def cpu_instruction() -> str | None:
    """The name of this CPU's bf16 instructions; None where it has none."""
    import torch

    has = torch.cpu.get_capabilities()
    return next((name for name in INSTRUCTIONS if has.get(name)), None)
