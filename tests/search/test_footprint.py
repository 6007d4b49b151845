"""What a trial takes of memory and disk, and what is said where that is not there."""

import dataclasses

import pytest

from macsql.errors import UserError
from macsql.search import footprint as room
from macsql.search.footprint import GIB, Longest, check_disk, check_memory, footprint, longest
from macsql.search.sizes import Sizes, sizes_of
from macsql.system.room import free_disk, free_memory

SMOLLM2 = sizes_of(
    {"hidden_size": 576, "num_hidden_layers": 30, "intermediate_size": 1536, "vocab_size": 49152},
    134_500_000,
    134_500_000,
)
ROWS = Longest(300, 60)


def with_lora(config, sizes, **lora):
    asked = dataclasses.replace(config.model, lora=dataclasses.replace(config.model.lora, r=16, **lora))
    return dataclasses.replace(config, model=asked), dataclasses.replace(sizes, trained=4_900_000)


def trained_in(config, **changes):
    return dataclasses.replace(config, trainer=dataclasses.replace(config.trainer, **changes))


def test_a_model_of_135_million_takes_about_three_gibibytes_with_adam(tiny):
    found = footprint(SMOLLM2, trained_in(tiny, per_device_train_batch_size=1), ROWS, 100)
    assert found.weights + found.gradients + found.optimizer == 16 * 134_500_000
    assert 2.8 * GIB < found.memory < 3.8 * GIB
    assert found.model == 4 * 134_500_000


def test_adapters_take_little_beside_the_weights(tiny):
    config, sizes = with_lora(tiny, SMOLLM2)
    found, whole = footprint(sizes, config, ROWS, 100), footprint(SMOLLM2, tiny, ROWS, 100)
    assert found.gradients + found.optimizer == 12 * 4_900_000
    assert found.memory < whole.memory - 1.4 * GIB
    assert found.checkpoints < whole.checkpoints / 20
    assert found.model == whole.model
    kept = footprint(sizes, with_lora(tiny, SMOLLM2, merge=False)[0], ROWS, 100)
    assert kept.model == 4 * 4_900_000


@pytest.mark.parametrize(
    ("changes", "at_once"),
    [
        ({}, 3),  # of two epochs both are kept where the best one is not the last, and another is being written
        ({"num_train_epochs": 1}, 2),
        ({"load_best_model_at_end": False}, 2),
        ({"save_total_limit": 3, "num_train_epochs": 9}, 4),
        ({"save_total_limit": None, "num_train_epochs": 9}, 10),
        ({"save_total_limit": None, "save_strategy": "steps", "save_steps": 10}, 11),
        ({"save_total_limit": None, "save_strategy": "steps", "save_steps": 0.25}, 5),
        ({"save_strategy": "no"}, 1),
    ],
)
def test_checkpoints_count_as_many_as_lie_there_at_once(tiny, changes, at_once):
    found = footprint(SMOLLM2, trained_in(tiny, **changes), ROWS, 100)
    assert found.checkpoints == at_once * 12 * 134_500_000


def test_rows_are_as_long_as_the_window_lets_them(tiny):
    class Row:
        source, target = "x" * 4000, "y" * 400

    assert longest([Row], tiny) == Longest(512, 101)
    assert longest([], tiny) == Longest(1, 1)


def test_workers_share_the_memory_and_the_sentence_says_what_helps(tiny, monkeypatch):
    config = trained_in(tiny, per_device_train_batch_size=8)
    found = footprint(SMOLLM2, config, ROWS, 100)
    monkeypatch.setattr(room, "free_memory", lambda: int(found.memory * 1.5))
    assert "a trial needs about" in check_memory([(config, found)] * 4, 1).lower()
    with pytest.raises(UserError) as error:
        check_memory([(config, found)] * 4, 2)
    said = str(error.value)
    assert said.startswith("2 trials at a time need about ")
    assert f"{found.memory * 1.5 / GIB:.1f} GiB are free: try executor.workers=1, or" in said
    assert "trainer.per_device_train_batch_size=4 trainer.gradient_accumulation_steps=2" in said
    assert "model.lora.r=16" in said
    assert said.count(". ") == 0
    assert check_memory([], 2) == ""


def test_trials_forked_from_one_process_share_its_imports(tiny, monkeypatch):
    found = footprint(SMOLLM2, tiny, ROWS, 100)
    needed = 4 * found.memory - 3 * room.SHARED
    monkeypatch.setattr(room, "free_memory", lambda: needed)
    said = check_memory([(tiny, found)] * 9, 4, forks=True)
    assert f"about {needed / GIB:.1f} GiB of memory" in said
    assert "the process 0.1 GiB; 0.5 GiB is common to all)" in said
    with pytest.raises(UserError, match=r"the process 0\.7 GiB\), and"):
        check_memory([(tiny, found)] * 9, 4)
    monkeypatch.setattr(room, "free_memory", lambda: needed - 1)
    with pytest.raises(UserError, match="4 trials at a time need"):
        check_memory([(tiny, found)] * 9, 4, forks=True)
    alone = check_memory([(tiny, found)], 4, forks=True)
    assert alone == check_memory([(tiny, found)], 4)
    assert "common" not in alone


def test_what_an_evaluation_takes_is_told_by_its_batch(tiny, monkeypatch):
    config = trained_in(tiny, per_device_train_batch_size=1, per_device_eval_batch_size=512)
    found = footprint(SMOLLM2, config, ROWS, 100)
    monkeypatch.setattr(room, "free_memory", lambda: GIB)
    with pytest.raises(UserError, match=r"trainer\.per_device_eval_batch_size=128"):
        check_memory([(config, found)], 1)


def test_too_little_disk_is_one_sentence(tiny, monkeypatch, tmp_path):
    found = footprint(SMOLLM2, tiny, ROWS, 100)
    assert check_disk([found] * 3, 2, tmp_path) == 3 * found.model + 2 * found.checkpoints
    monkeypatch.setattr(room, "free_disk", lambda _: GIB)
    with pytest.raises(
        UserError, match=r"The trials need about .* GiB of disk .* and 1.0 GiB are free in .*: make room"
    ):
        check_disk([found] * 3, 2, tmp_path)


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"memory.max": "1000\n", "memory.current": "900\n", "memory.stat": "anon 1\ninactive_file 50\n"}, 150),
        ({"memory.max": "max\n", "memory.current": "900\n", "memory.stat": ""}, None),
        ({}, None),
    ],
)
def test_a_containers_limit_counts(tmp_path, files, free):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = free_memory(tmp_path)
    assert found == free if free is not None else found > 2**20


def test_the_disk_of_a_folder_that_is_still_to_be_made(tmp_path):
    assert abs(free_disk(tmp_path / "a" / "b") - free_disk(tmp_path)) < GIB


def test_sizes_are_read_under_every_name():
    gpt2 = sizes_of({"n_embd": 32, "n_layer": 2, "vocab_size": 100, "n_inner": None}, 9, 9)
    assert gpt2 == Sizes(9, 9, 2, 32, 128, 100, 0)
    t5 = sizes_of({"d_model": 16, "d_ff": 32, "num_layers": 3, "num_heads": 2, "vocab_size": 300}, 9, 9)
    assert t5 == Sizes(9, 9, 6, 16, 32, 300, 2)


def test_a_plan_says_what_is_trained():
    assert str(SMOLLM2) == "about 134.5 M parameters"
    assert str(dataclasses.replace(SMOLLM2, trained=4_884_480)) == "about 134.5 M parameters, 4.9 M trained in adapters"
