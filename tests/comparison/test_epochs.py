"""The poster's tables of losses beside ours, epoch by epoch."""

import csv

import pytest
from hand_made import base_config, verdicts

from macsql.comparison.experiment import compare
from macsql.report.csv_files import write_comparison
from macsql.report.readme import BEGIN, END, write_results


def test_each_of_the_posters_forty_losses_has_ours_beside_it(balance, tmp_path):
    comparison = compare("balance", balance.state)
    real, undersample = comparison.epochs
    assert [real.setting, undersample.setting] == ["mixture=real", "mixture=undersample"]
    assert [epoch.number for epoch in real.epochs] == list(range(1, 11))
    third = real.epochs[2].losses  # the third epoch's steps told 0.9 and 0.7, its evaluation 0.71
    assert (third["train_loss"].poster, third["eval_loss"].poster) == (0.4797, 0.424645)
    assert third["train_loss"].ours == pytest.approx(0.8)
    assert third["eval_loss"].difference == pytest.approx(0.71 - 0.424645)
    assert real.epochs[3].losses["eval_loss"].ours is None  # three epochs were trained
    assert undersample.epochs[0].losses["eval_loss"].poster == 0.367861

    with write_comparison(comparison, tmp_path / "comparison.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"].startswith("epoch_")]
    assert len(rows) == 40
    assert sum(row["ours_kind"] == "measured" for row in rows) == 12
    [row] = [row for row in rows if (row["metric"], row["setting"]) == ("epoch_3/train_loss", "mixture=real")]
    assert (row["poster_value"], row["poster_kind"], row["ours_seeds"]) == ("0.4797", "poster", "1")
    assert float(row["difference"]) == pytest.approx(0.8 - 0.4797)
    assert "Other data" in row["not_comparable_because"]

    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n")
    lines = write_results(comparison, readme).read_text().splitlines()
    assert "| 3 | 0.479700 | 0.800 | +0.320 | 0.424645 | 0.710 | +0.285 |" in lines
    assert "| 4 | 0.471500 | - | - | 0.408683 | - | - |" in lines


def test_ours_is_the_mean_over_seeds_and_nothing_without_a_finished_trial(sweeps):
    for repeat, loss in enumerate((0.4, 0.6)):
        config = base_config(mixture={"name": "real"})
        sweeps.trial("balance", 2 * repeat, {"mixture": "real"}, verdicts({1}), repeat, config, losses=(loss,))
    sweeps.trial("balance", 1, {"mixture": "undersample"}, [], status="FAILED")
    real, undersample = compare("balance", sweeps.state).epochs
    assert real.epochs[0].losses["eval_loss"].ours == pytest.approx(0.51)
    assert {pair.ours for epoch in undersample.epochs for pair in epoch.losses.values()} == {None}


def test_of_several_settings_that_a_table_could_be_of_the_best_stands_beside_it(sweeps, tmp_path):
    for index, loss in enumerate((0.6, 0.4)):
        point = {"mixture": "real", "trainer.learning_rate": 1e-4 * (1 + index)}
        sweeps.trial("balance", index, point, verdicts({1}), losses=(loss,))
    comparison = compare("balance", sweeps.state)
    real, _ = comparison.epochs
    assert real.setting == "mixture=real; ours: mixture=real learning_rate=0.0002"
    assert real.epochs[0].losses["eval_loss"].ours == pytest.approx(0.41)
    with write_comparison(comparison, tmp_path / "comparison.csv").open() as file:
        rows = {(row["metric"], row["setting"]): row["ours_value"] for row in csv.DictReader(file)}
    assert float(rows["epoch_1/eval_loss", real.setting]) == pytest.approx(0.41)
