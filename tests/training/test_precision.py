"""bf16 where it pays, on GPUs and CPUs alike, and what is then computed is resumed to the bit."""

import dataclasses

import pytest
from trials import StopAt, folder_of, outcome, with_trainer

from macsql.errors import UserError
from macsql.system.precision import PAYS
from macsql.train import run_folder
from macsql.training.arguments import training_arguments
from macsql.training.precision import precision
from macsql.trials.result import read_result
from macsql.trials.stopping import Interrupted

LARGE = {"vocab_size": 2000, "d_model": 256, "d_ff": 1024, "num_layers": 4, "num_heads": 4}


def asked(config, bf16="auto", large=True, **options):
    config = with_trainer(config, bf16=bf16, options=options)
    return dataclasses.replace(config, model=dataclasses.replace(config.model, pocket=LARGE)) if large else config


@pytest.mark.parametrize(
    ("cpu", "gpu", "given", "bf16", "why"),
    [
        (("avx512_bf16",), None, {}, True, "this CPU has avx512_bf16"),
        (("avx512_bf16", "amx_bf16"), None, {}, True, "this CPU has amx_bf16"),
        (("avx512_f",), None, {}, False, "this CPU has neither amx_bf16 nor avx512_bf16"),
        (("avx512_bf16",), None, {"large": False}, False, "0.0 M parameters gain little from this CPU's avx512_bf16"),
        (("avx512_bf16",), None, {"bf16": "False"}, False, "trainer.bf16=false"),
        ((), None, {"bf16": "true"}, True, "trainer.bf16=true"),
        ((), True, {"large": False}, True, "the GPU has bf16"),
        (("avx512_bf16",), False, {}, False, "the GPU has no bf16"),
        (("avx512_bf16",), False, {"use_cpu": True}, True, "this CPU has avx512_bf16"),
        (("avx512_bf16",), None, {"fp16": True}, False, "trainer.fp16=true"),
    ],
)
def test_bf16_where_it_pays(tiny, machine, cpu, gpu, given, bf16, why):
    machine(cpu, gpu)
    found = precision(asked(tiny, **given))
    assert (found.bf16, found.why) == (bf16, why)


def test_the_sizes_on_both_sides(tiny):
    from macsql.models.families import parameters

    assert parameters(tiny.model) < PAYS < parameters(asked(tiny).model)


def test_a_word_that_is_none(tiny):
    with pytest.raises(UserError, match=r"^trainer\.bf16=maybe: write true, false or auto"):
        precision(asked(tiny, "maybe"))


def test_a_cpu_gets_the_argument_that_lets_it(tiny, tmp_path, machine):
    """The Trainer refuses bf16=true where it finds no GPU, unless it is told of the CPU."""
    machine(("avx512_bf16",))
    arguments = training_arguments(asked(tiny), tmp_path)
    assert (arguments.bf16, arguments.use_cpu) == (True, True)


def test_in_bf16_too_a_stopped_trial_resumes_to_the_bit(tiny, tmp_path):
    config = with_trainer(tiny, bf16="true")
    whole, folder, stop = folder_of(config, tmp_path / "whole"), folder_of(config, tmp_path / "stopped"), StopAt(14)
    assert run_folder(whole).status == "FINISHED"
    with pytest.raises(Interrupted):
        run_folder(folder, stop=stop, tell=stop.tell)
    assert run_folder(folder).status == "FINISHED"
    assert outcome(folder) == outcome(whole)
    result = read_result(folder)
    assert result is not None
    assert result.precision == "bf16 (trainer.bf16=true)"
    exact = folder_of(tiny, tmp_path / "fp32")
    assert run_folder(exact).status == "FINISHED"
    close, other = outcome(exact)["metrics"]["eval_loss"], outcome(whole)["metrics"]["eval_loss"]
    assert other == pytest.approx(close, rel=0.01)
    assert other != close
