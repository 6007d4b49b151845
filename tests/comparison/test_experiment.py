"""Settings, contrasts and the poster beside ours, on sweeps made by hand."""

import csv
import itertools
import json
import os
import re
import shutil

import pytest
from hand_made import base_config, verdicts
from hand_made import verdict as verdict_of

from macsql.comparison.epochs import epochs_beside
from macsql.comparison.experiment import compare
from macsql.comparison.published import Benchmark
from macsql.comparison.reasons import Kind
from macsql.comparison.settings import losses_comparable
from macsql.comparison.statistics import mcnemar
from macsql.report.conclusion import conclusion, ours_in_words, poster_in_words
from macsql.report.csv_files import write_results
from macsql.report.notes import notes
from macsql.report.tables.trials import results_table


def test_the_poster_beside_ours(balance):
    found = compare("balance", balance.state)
    rows = {(row.metric, row.setting): row for row in found.beside}
    real = rows["all/rouge_l", "mixture=real"]
    assert (real.poster.origin, real.poster.value, real.poster.text) == ("poster", 0.354, "0.354")
    assert (real.ours.origin, real.ours.seeds, real.ours.model, real.ours.scale) == (
        "measured",
        "1",
        "pocket",
        "pocket",
    )
    assert real.ours.value == pytest.approx(0.75 + 0.25 * 0.25)
    assert real.difference == pytest.approx(real.ours.value - 0.354)
    assert Kind.OTHER_DATA in {reason.kind for reason in real.reasons}
    assert Kind.OTHER_BASE in {reason.kind for reason in real.reasons}
    assert any(
        "T5's vocabulary cannot write" in reason.words for reason in rows["all/exact_match", "mixture=real"].reasons
    )
    assert rows["pair/eval_loss", "mixture=undersample"].poster.value == 0.313996


POSTERS_OWN = {
    "data": {"format": "chat", "root": "rows"},
    "codec": {"name": "verbatim"},
    "model": {"name": "t5", "hub_id": "cssupport/t5-small-awesome-text-to-sql"},
    "scale": {"name": "full", "learning_rate_factor": 1.0},
    "trainer": {"num_train_epochs": 10, "per_device_train_batch_size": 4, "learning_rate": 5e-5},
}


def rouge_row(sweeps, changes, name="lr_bs"):
    """The row of ROUGE-L of a sweep on the poster's own ground but for some changes."""
    groups = {group: POSTERS_OWN.get(group, {}) | changes.get(group, {}) for group in POSTERS_OWN | changes}
    config = base_config(**groups)
    index = len(list(sweeps.state.glob("trials/*")))
    point = {"trainer.learning_rate": config.trainer.learning_rate, "trainer.per_device_train_batch_size": 4}
    sweeps.trial(f"mine{index}", index, point, verdicts({1}), config=config, experiment=name)
    return next(row for row in compare(f"mine{index}", sweeps.state).beside if row.metric == "all/rouge_l")


def test_on_the_posters_own_ground_nothing_speaks_against_a_comparison(sweeps):
    sweeps.prepare({"decomposer": 2029, "selector": 1009, "refiner": 337})
    row = rouge_row(sweeps, {})
    assert row.reasons == ()
    assert row.setting.startswith("not stated; ours: learning_rate")
    assert rouge_row(sweeps, {"agents": {"style": "mac_sql"}}).reasons == ()  # chat rows are written already


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"data": {"format": "spider"}}, "Other data: .* ours are data=spider."),
        ({"codec": {"name": "marks"}}, "Other texts: .* ours have codec=marks."),
        ({"model": {"hub_id": "google-t5/t5-small"}}, "Another base: .* ours is model=t5."),
        ({"model": {"path": "/some/where/ckpt"}}, r"Perhaps another base: ours is model=ckpt \(model.path in"),
        ({"trainer": {"num_train_epochs": 6}}, r"Other training: epochs 6 \(the poster's 10\)."),
        ({"trainer": {"learning_rate": 3e-4}}, r"Other training: learning rate 0.0003 \(the poster's 3e-05 or"),
        ({"trainer": {"gradient_accumulation_steps": 4}}, r"Other training: batch 16 \(the poster's 4 or 8\)."),
        ({"trainer": {"max_steps": 9}}, "Other training: at most 9 steps."),
        ({"mixture": {"name": "undersample"}}, r"Other training: mixture undersample \(the poster's real\)."),
        ({"scale": {"learning_rate_factor": 20.0}}, "Another rate: every learning rate is multiplied by 20 here."),
    ],
)
def test_whatever_is_not_the_posters_speaks_against_a_comparison(sweeps, changes, why):
    sweeps.prepare({"decomposer": 2029, "selector": 1009, "refiner": 337})
    style = {"agents": {"style": "mac_sql"}}
    [said] = rouge_row(sweeps, changes | style).reasons
    assert re.match(why, said.words), said


def test_prompts_made_here_are_the_posters_in_one_style_alone(sweeps):
    sweeps.prepare({})
    other_data, other_texts = rouge_row(sweeps, {"data": {"format": "bird"}}).reasons
    assert (other_data.kind, other_texts.kind) == (Kind.OTHER_DATA, Kind.OTHER_SPELLING)
    assert "ours have agents=brief, codec=verbatim." in other_texts.words


def test_rows_are_counted_where_they_are(sweeps):
    sweeps.prepare({"decomposer": 2029, "selector": 1009, "refiner": 336})
    [why] = rouge_row(sweeps, {}).reasons
    assert why.kind is Kind.OTHER_ROWS
    assert "ours 1009 selector, 2029 decomposer, 336 refiner" in why.words
    shutil.rmtree(sweeps.prepared)
    [why] = rouge_row(sweeps, {}).reasons
    assert why.kind is Kind.ROWS_UNKNOWN


def test_a_folder_in_place_of_the_pocket_model_is_what_was_fine_tuned(sweeps):
    config = base_config(model={"name": "pocket", "path": "/some/where/ckpt"})
    sweeps.trial("lr_bs", 0, {}, verdicts({1}), config=config)
    found = compare("lr_bs", sweeps.state)
    assert found.provenance.model == found.beside[-1].ours.model == "ckpt (model.path in place of pocket)"
    assert "/some/where" not in str(found.beside)


def test_a_sweep_that_is_not_whole_says_so(sweeps):
    space = {"trainer": {"learning_rate": "choice(1, 2, 3)"}}
    plan = base_config(search={"sampler": "grid", "space": space}, sweep={"repeats": 1})
    grown = base_config(search={"sampler": "grid", "space": space}, sweep={"repeats": 2})
    for index in range(2):
        sweeps.trial("rates", index, {"trainer.learning_rate": index + 1}, verdicts({index}), config=plan)
    found = compare("rates", sweeps.state)
    assert (found.planned, len(found.trials)) == (3, 2)
    assert found.progress == "2 of 3 planned trials have finished"
    assert conclusion(found).endswith("2 of 3 planned trials have finished.")
    sweeps.trial("rates", 2, {"trainer.learning_rate": 3}, [], config=plan, status="FAILED")
    assert compare("rates", sweeps.state).progress == "2 of 3 planned trials have finished, 1 failed"
    sweeps.trial("rates", 3, {"trainer.learning_rate": 1}, [], 1, grown, status="KILLED", reason="pruned: worse")
    found = compare("rates", sweeps.state)
    assert found.progress == "2 of 6 planned trials have finished, 1 failed, 1 pruned"
    assert found.provenance.seeds == (0,)  # nothing has finished with seed 1
    assert found.trials[3].trial.state == "PRUNED"


def test_provenance_is_of_every_trial_and_of_the_newest_command(sweeps):
    sweeps.prepare({})
    sweeps.trial("rates", 1, {"data": "spider"}, verdicts({1}), config=base_config(data={"format": "spider"}))
    about = json.loads((sweeps.prepared / "about.json").read_text())
    other = sweeps.prepared.with_name("other")
    shutil.copytree(sweeps.prepared, other)
    (other / "about.json").write_text(json.dumps(about | {"fingerprint": "0123"}))
    folder = sweeps.trial("rates", 0, {"data": "pocket"}, verdicts({1}), machine="4 cores", more="sweep.repeats=5")
    told = json.loads((folder / "trial.json").read_text())
    (folder / "trial.json").write_text(json.dumps(told | {"prepared": str(other)}))
    found = compare("rates", sweeps.state)
    made = found.provenance
    assert (made.machine, made.data, made.fingerprint) == (
        "4 cores; 2 cores",
        "pocket, spider",
        "0123, feedbeeffeedbeef",
    )
    assert made.command == "python -m macsql.sweep +experiment=rates sweep.repeats=5 'data.root=my data'"
    rows = list(csv.DictReader(write_results(found, sweeps.state / "results.csv").open()))
    assert [(row["data_fingerprint"], row["machine"]) for row in rows] == [
        ("0123", "4 cores"),
        ("feedbeeffeedbeef", "2 cores"),
    ]
    assert [(row["data"], row["data_format"]) for row in rows] == [("pocket", "pocket"), ("spider", "spider")]


def test_an_axis_has_a_column_of_its_own_whatever_it_is_called(sweeps):
    """`model`, `data` and `seed` are axes, and what a trial was trained on and with is told as well."""
    sweeps.prepare({})
    for index, model in enumerate(("one", "other")):
        sweeps.trial("rates", index, {"model": model, "data": "pocket", "seed": 0}, verdicts({1}))
    table = results_table(compare("rates", sweeps.state))
    keys = [column.key for column in table.columns]
    assert len(set(keys)) == len(keys)
    told = [dict(zip(keys, (cell.value for cell in row.cells), strict=True)) for row in table.rows]
    named = [(row["model"], row["model_name"], row["seed"]) for row in told]
    assert named == [("one", "pocket", 0), ("other", "pocket", 0)]


def test_a_trial_of_an_earlier_version_is_read(balance):
    """Its setting stands under an older word."""
    now = [each.trial.setting for each in compare("balance", balance.state).trials]
    assert all(now)
    for path in balance.state.glob("trials/*/trial.json"):
        told = json.loads(path.read_text())
        path.write_text(json.dumps({"point" if key == "setting" else key: value for key, value in told.items()}))
    assert [each.trial.setting for each in compare("balance", balance.state).trials] == now


def test_a_whole_sweep_says_nothing_of_its_plan(balance):
    found = compare("balance", balance.state)
    assert (found.planned, found.progress) == (2, "")


def test_a_sweep_of_another_name_has_the_figures_of_its_experiment(sweeps):
    point = {"trainer.learning_rate": 5e-5}
    sweeps.trial("lr_bs_spider", 0, point, verdicts({1}), experiment="lr_bs")
    found = compare("lr_bs_spider", sweeps.state)
    assert (found.name, found.published.title) == ("lr_bs_spider", "Experiment 3: learning rate x batch size")
    assert [row.poster.text for row in found.beside] == ["0.2", "0.27", "0.05", "0.4"]
    sweeps.trial("balance", 0, point, verdicts({1}), experiment="lr_bs")  # a name that is an experiment's goes first
    assert compare("balance", sweeps.state).published.title == "Experiment 1: task balance"
    sweeps.trial("mine", 0, point, verdicts({1}), experiment="unheard_of")
    found = compare("mine", sweeps.state)
    assert (found.published.title, found.beside) == ("mine", ())


def test_a_setting_that_has_not_finished_is_not_applicable(sweeps):
    sweeps.prepare({})
    sweeps.trial("balance", 0, {"mixture": "real"}, verdicts({1}))
    sweeps.trial("balance", 1, {"mixture": "undersample"}, [], status="FAILED")
    found = compare("balance", sweeps.state)
    row = next(row for row in found.beside if row.setting == "mixture=undersample")
    assert (row.ours.origin, row.difference) == ("not applicable", None)
    assert found.trials[1].figures["eval_loss"] == pytest.approx(0.51)  # what it told before it broke
    assert len(found.settings) == 1
    assert conclusion(found).startswith("Not decided whether the real distribution")


def test_contrasts_pair_the_questions(balance):
    found = compare("balance", balance.state)
    assert found.reference.label == "mixture=real"
    [ex] = [item for item in found.contrasts if item.metric == "decomposer/execution_accuracy"]
    assert (ex.setting, ex.questions, ex.better, ex.worse) == ("mixture=undersample", 20, 0, 10)
    assert ex.difference.value == -0.5
    assert ex.difference.low < -0.5 < ex.difference.high < 0
    assert ex.p == mcnemar(0, 10)
    assert ex.p_holm == pytest.approx(4 * ex.p)  # four tests with the same p
    assert found.minimum.questions == 20
    assert found.minimum.smallest == 6 / 20
    assert found.minimum.smallest_holm == 8 / 20
    graded = next(item for item in found.contrasts if item.metric == "all/rouge_l")
    assert graded.p is None
    assert graded.difference.value == pytest.approx(-0.375)


def test_a_claim_is_judged_by_its_interval(balance):
    found = compare("balance", balance.state)
    assert found.claim.difference.low > 0
    assert conclusion(found).startswith("Agrees with the poster that the real distribution gives the higher ROUGE-L")
    assert "for these trained weights (one seed)" in conclusion(found)
    assert "not the poster's" in conclusion(found)
    assert "0.354 (mixture=real)" in poster_in_words(found)
    assert "0.812 (mixture=real)" in ours_in_words(found)


@pytest.mark.parametrize(
    ("real", "undersample", "begins"),
    [(range(5), range(15), "Contradicts the poster"), (range(10), range(1, 11), "Undecided whether")],
)
def test_other_outcomes_of_a_claim(sweeps, real, undersample, begins):
    sweeps.prepare({})
    sweeps.trial("balance", 0, {"mixture": "real"}, verdicts(set(real)))
    sweeps.trial("balance", 1, {"mixture": "undersample"}, verdicts(set(undersample)))
    assert conclusion(compare("balance", sweeps.state)).startswith(begins)


def test_a_handful_of_questions_decides_nothing(sweeps):
    sweeps.trial("balance", 0, {"mixture": "real"}, verdicts({0, 1, 2}, questions=3))
    sweeps.trial("balance", 1, {"mixture": "undersample"}, verdicts(set(), questions=3))
    found = compare("balance", sweeps.state)
    assert found.claim.difference.low > 0
    assert "3 questions are too few to tell" in conclusion(found)


def test_seeds_are_a_factor(sweeps):
    sweeps.prepare({})
    point = {"mixture": "real"}, {"mixture": "undersample"}
    for repeat, right in enumerate([(12, 8), (10, 10), (14, 6)]):
        for setting in (0, 1):
            sweeps.trial(
                "balance", 2 * repeat + setting, point[setting], verdicts(set(range(right[setting]))), repeat=repeat
            )
    found = compare("balance", sweeps.state)
    assert [len(setting.trials) for setting in found.settings] == [3, 3]
    assert found.provenance.seeds == (0, 1, 2)
    figure = found.settings[0].figure("decomposer/execution_accuracy")
    assert (figure.mean, figure.seeds) == (pytest.approx(0.6), 3)
    assert figure.deviation == pytest.approx(0.1)
    ex = next(item for item in found.contrasts if item.metric == "decomposer/execution_accuracy")
    assert (ex.seeds, ex.by_seed) == (3, pytest.approx((-0.2, 0.0, -0.4)))
    assert ex.worse == 8  # questions 6 to 13: under some seed one setting has them right and the other not
    assert ex.difference.high >= 0  # one of three seeds shows nothing
    assert (found.minimum.seeds, found.minimum.smallest) == (3, 6 / 60)  # six questions, each under one of three seeds
    assert ex.over_seeds.high == pytest.approx(-0.2 + 4.302653 * 0.2 / 3**0.5)
    assert not any("One seed" in note for note in notes(found))
    assert any(note.startswith("3 seeds per setting: p is a sign test") for note in notes(found))


def test_the_conclusion_names_what_the_sweep_was_decided_by_and_its_value(sweeps):
    """An agent's metric chooses by the eval questions: the setting that is best on those of test is another one."""
    config = base_config(sweep={"metric": ["decomposer/execution_accuracy"], "direction": ["maximize"]})
    for index, (test, on_eval) in enumerate([(15, 1), (5, 3)]):
        right = verdicts(set(range(on_eval)), questions=4)
        point = {"trainer.learning_rate": index + 1.0}
        sweeps.trial("rates", index, point, verdicts(set(range(test))), config=config, on_eval=right)
    found = compare("rates", sweeps.state)
    assert conclusion(found).startswith(
        "Best by EX, Decomposer, on the eval questions: learning_rate=2.0 (0.750). The other setting"
    )
    config = base_config()
    for repeat, loss in enumerate((0.2, 0.4)):
        sweeps.trial("seeds", repeat, {"codec": "marks"}, verdicts({1}), repeat, config, losses=(loss,))
    words = "Best by eval loss: codec=marks (0.310, mean of 2 seeds)"
    assert conclusion(compare("seeds", sweeps.state)).startswith(words)


def test_the_best_setting_is_best_on_average_and_its_first_seed_speaks_for_it(sweeps):
    """One lucky seed names neither the best point nor the answers that are shown."""
    for repeat, (steady, lucky) in enumerate([(0.5, 0.9), (0.4, 0.1), (0.5, 0.9)]):
        for index, (rate, loss) in enumerate([(1.0, lucky), (2.0, steady)]):
            right = verdicts(set(range(10 + repeat)))
            point = {"trainer.learning_rate": rate}
            sweeps.trial("generation", 2 * repeat + index, point, right, repeat=repeat, losses=(loss,))
    found = compare("generation", sweeps.state)
    assert found.best_setting.label == "learning_rate=2.0"
    assert found.best_setting.objective == pytest.approx(1.4 / 3 + 0.01)
    assert (found.best.repeat, found.best.setting["trainer.learning_rate"]) == (0, 2.0)
    assert {row.correct for row in found.answers} == {10}
    assert "Refiner 10 of 20 (seed 0, the first of 3)" in ours_in_words(found)
    assert "(seed 0, the first of 3). The poster's 0 of 2" in conclusion(found)
    row = next(row for row in found.beside if row.metric == "decomposer/accuracy")
    assert (row.ours.value, row.ours.seeds) == (pytest.approx(11 / 20), "3")


@pytest.mark.parametrize(
    ("undersample", "begins"),
    [((5, 5), "Agrees with the poster"), ((5, 10), "Undecided whether"), ((15, 15), "Undecided whether")],
)
def test_few_seeds_must_agree_beyond_their_own_scatter(sweeps, undersample, begins):
    """Both of two seeds may favour a setting, and still say nothing of a third."""
    for repeat, right in enumerate(undersample):
        sweeps.trial("balance", 2 * repeat, {"mixture": "real"}, verdicts(set(range(15))), repeat=repeat)
        sweeps.trial("balance", 2 * repeat + 1, {"mixture": "undersample"}, verdicts(set(range(right))), repeat=repeat)
    found = compare("balance", sweeps.state)
    assert (found.claim.difference.low > 0) == (undersample != (15, 15))
    assert conclusion(found).startswith(begins)
    each = [0.75 * (15 - right) / 20 for right in undersample]  # a right answer has ROUGE-L 1, a wrong one 0.25
    assert f"by seed {each[0]:+.3f}, {each[1]:+.3f}: " in conclusion(found)


ALL_FOUR = "Selector right, Decomposer EM (string), Decomposer EX, Refiner EX"


@pytest.mark.parametrize(
    ("rights", "apart", "level"),
    [
        ([15], True, "Holm, 5 %, one seed"),
        ([15, 15], True, "Holm, 5 %, over questions and seeds"),
        ([15, 6], False, "Holm, 5 %, over questions and seeds"),
    ],
)
def test_settings_differ_by_more_than_what_is_said(sweeps, rights, apart, level):
    for repeat, right in enumerate(rights):
        sweeps.trial("rates", 2 * repeat, {"trainer.learning_rate": 1.0}, verdicts(set(range(right))), repeat=repeat)
        rate = {"trainer.learning_rate": 2.0}
        sweeps.trial("rates", 2 * repeat + 1, rate, verdicts(set()), repeat=repeat, losses=(2.0,))
    worse = f". The other setting is significantly worse ({level}) in at least one of: {ALL_FOUR}."
    same = f". The other setting does not differ significantly ({level}) in: {ALL_FOUR}."
    found = compare("rates", sweeps.state)
    assert conclusion(found).endswith(worse if apart else same)
    assert all((contrast.detectable is None) == (len(rights) > 1 or contrast.p is None) for contrast in found.contrasts)


def test_several_figures_and_seeds_share_one_error_rate(sweeps):
    """Seeds that scatter: each figure's own interval may leave out 0 by chance, and the adjusted p does not."""
    for repeat, right in enumerate((9, 12, 13)):
        sweeps.trial("rates", 2 * repeat, {"trainer.learning_rate": 1.0}, verdicts(set(range(right))), repeat=repeat)
        rate = {"trainer.learning_rate": 2.0}
        sweeps.trial("rates", 2 * repeat + 1, rate, verdicts({0, 1}), repeat=repeat, losses=(2.0,))
    found = [contrast for contrast in compare("rates", sweeps.state).contrasts if contrast.p is not None]
    assert len(found) == 4
    assert all(contrast.p <= 0.001 and not contrast.over_seeds.holds(0) for contrast in found)
    assert all(0.01 < contrast.p_seeds < 0.05 < contrast.p_holm and not contrast.apart for contrast in found)


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (4, "Selector, Decomposer and Refiner are compatible with it (model"),
        (39, "Selector, Decomposer and Refiner are not compatible with it (model"),
    ],
)
def test_which_shares_two_wrong_answers_leave_possible(sweeps, right, words):
    sweeps.trial("generation", 0, {}, verdicts(set(range(right)), questions=40))
    found = conclusion(compare("generation", sweeps.state))
    assert f"The poster's 0 of 2 rules out accuracies above 84%: {words}" in found


def test_settings_are_counted_by_what_they_are(sweeps):
    for index, right in enumerate((10, 20, 0, 10)):
        point = {"trainer.learning_rate": float(index)}
        sweeps.trial("rates", index, point, verdicts(set(range(right))), losses=(1.0 + (index > 0),))
    said = conclusion(compare("rates", sweeps.state))
    counted = (
        ". 1 of the 3 other settings is significantly worse and 1 better (Holm, 5 %, one seed) in at least one of: "
    )
    assert f"{counted}{ALL_FOUR}." in said


def test_of_several_settings_that_the_poster_could_mean_the_best_one_stands_beside_it(sweeps):
    for index, (rate, batch, loss) in enumerate([(3e-5, 4, 0.9), (1e-4, 4, 0.3), (3e-5, 8, 0.5), (1e-4, 8, 0.7)]):
        point = {"trainer.learning_rate": rate, "trainer.per_device_train_batch_size": batch}
        sweeps.trial("batch_size", index, point, verdicts({index}), losses=(loss,))
    found = compare("batch_size", sweeps.state)
    losses = {row.setting: row.ours.value for row in found.beside if row.metric == "pair/eval_loss"}
    four = "per_device_train_batch_size=4; ours: learning_rate=0.0001 per_device_train_batch_size=4"
    eight = "per_device_train_batch_size=8; ours: learning_rate=3e-05 per_device_train_batch_size=8"
    assert losses == {four: pytest.approx(0.31), eight: pytest.approx(0.51)}
    assert found.reference.label == "learning_rate=0.0001 per_device_train_batch_size=4"
    assert (found.claim.setting, found.claim.reference) == (four.partition("ours: ")[2], eight.partition("ours: ")[2])
    assert any(note.startswith("Several settings match what the poster states") for note in notes(found))


def test_the_posters_tables_of_epochs_stand_beside_the_same_settings(sweeps):
    for index, (mixture, rate) in enumerate(itertools.product(("real", "undersample"), (1.0, 2.0))):
        point = {"mixture": mixture, "trainer.learning_rate": rate}
        sweeps.trial("balance", index, point, verdicts({index}), losses=(1 / rate,))
    found = compare("balance", sweeps.state)
    settings = {f"mixture={name}; ours: mixture={name} learning_rate=2.0" for name in ("real", "undersample")}
    assert (
        {row.setting for row in epochs_beside(found.epochs, found.beside)}
        == {row.setting for row in found.beside}
        == settings
    )


def test_one_setting_for_each_of_the_posters_needs_no_such_note(balance):
    assert not any("Several settings" in note for note in notes(compare("balance", balance.state)))


def test_a_figure_of_no_stated_setting_is_called_so_before_anything_has_finished(sweeps):
    sweeps.trial("lr_bs", 0, {"trainer.learning_rate": 1.0}, [], status="FAILED")
    assert {row.setting for row in compare("lr_bs", sweeps.state).beside} == {"not stated"}


def test_what_may_not_be_compared_is_said(balance, sweeps):
    said = notes(compare("balance", balance.state))
    assert any(
        "training losses are of different rows" in note and "evaluated on the same rows" in note for note in said
    )
    assert any("nearly equal as they are (100 selector, 100 decomposer, 100 refiner)" in note for note in said)
    assert any("8 tests" in note or "4 tests" in note for note in said)
    for index, codec in enumerate(("verbatim", "marks")):
        config = base_config(codec={"name": codec})
        sweeps.trial("representation", index, {"codec": codec, "agents": "mac_sql"}, verdicts({index}), config=config)
    assert any(
        "a loss per token of one says nothing" in note for note in notes(compare("representation", sweeps.state))
    )


@pytest.mark.parametrize(
    ("model", "comparable"),
    [
        ({"pocket": {"d_model": 64, "vocab_size": 500}}, True),
        ({"max_source_length": 256}, True),
        ({"pocket": {"d_model": 128, "vocab_size": 900}}, False),
        ({"max_target_length": 64}, False),
        ({"hub_id": "google-t5/t5-small"}, False),
    ],
)
def test_losses_of_models_compare_where_their_tokens_are_the_same(sweeps, model, comparable):
    usual = {"name": "pocket", "pocket": {"d_model": 128, "vocab_size": 500}}
    for index, own in enumerate((usual, usual | model)):
        sweeps.trial("sizes", index, {"model": index}, verdicts({index}), config=base_config(model=own))
    found = compare("sizes", sweeps.state)
    assert losses_comparable(found.settings) == comparable
    assert any("read or write different texts" in note for note in notes(found)) != comparable


def test_unequal_agents_are_thinned_rows(sweeps):
    sweeps.prepare({"selector": 100, "decomposer": 100, "refiner": 100})
    ratio = {"decomposer": 2029, "selector": 1009, "refiner": 337}
    for index, name in enumerate(("real", "undersample")):
        config = base_config(mixture={"name": name, "ratio": ratio})
        sweeps.trial("balance", index, {"mixture": name}, verdicts({1}), config=config)
    found = compare("balance", sweeps.state)
    assert found.trials[0].train_rows == {"selector": 50, "decomposer": 100, "refiner": 17}
    assert found.trials[1].train_rows == {"selector": 17, "decomposer": 17, "refiner": 17}
    assert not any("nearly equal" in note for note in notes(found))
    [shares] = [note for note in notes(found) if note.startswith("Figures of all agents weigh the agents")]
    assert "test part does (20 selector, 20 decomposer, 20 refiner)" in shares
    assert "mixture=real: 50 selector, 100 decomposer, 17 refiner; mixture=undersample: 17 selector, 17" in shares


def test_shares_that_are_those_of_the_test_part_need_no_note(balance):
    assert not any("weigh the agents" in note for note in notes(compare("balance", balance.state)))


def test_settings_of_different_steps_are_told(sweeps, balance):
    same = compare("balance", balance.state)
    assert "optimizer steps" not in conclusion(same)
    assert not any(note.startswith("Optimizer steps") for note in notes(same))
    for index, (mixture, steps) in enumerate([("real", 702), ("undersample", 210)]):
        right = verdicts(set(range(15 - 10 * index)))
        sweeps.trial("fewer", index, {"mixture": mixture}, right, experiment="balance", steps=steps)
    found = compare("fewer", sweeps.state)
    assert "for these trained weights (one seed), after 702 optimizer steps against 210 (model pocket" in conclusion(
        found
    )
    assert "Optimizer steps: mixture=real 702, mixture=undersample 210." in notes(found)


def test_what_had_no_effect_is_a_note(sweeps):
    sweeps.trial(
        "batch_size", 0, {"trainer.per_device_train_batch_size": 4}, verdicts({1}), notes=("Liger did nothing.",)
    )
    assert "Liger did nothing." in notes(compare("batch_size", sweeps.state))


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        ({"early_stopping_patience": 2, "num_train_epochs": 3}, True),
        ({"early_stopping_patience": 2, "num_train_epochs": 4}, False),
        ({"early_stopping_patience": 2, "num_train_epochs": 9, "max_steps": 6}, True),
        ({"early_stopping_patience": 2, "max_steps": 7}, False),
        ({"num_train_epochs": 3}, False),
    ],
)
def test_early_stopping_that_stopped_nothing_is_a_note(sweeps, trainer, said):
    """A trial made by hand has three epochs of two steps."""
    sweeps.trial("rates", 0, {"trainer.learning_rate": 1.0}, verdicts({1}), config=base_config(trainer=trainer))
    told = notes(compare("rates", sweeps.state))
    assert any("Early stopping (patience 2, 3 evaluations) ended no training" in note for note in told) == said


def test_no_more_settings_than_can_be_read_are_tested(sweeps):
    for index in range(15):
        sweeps.trial("many", index, {"trainer.learning_rate": index + 1.0}, [verdict_of("decomposer", 0, index > 3)])
    found = compare("many", sweeps.state)
    assert len({item.setting for item in found.contrasts}) == 12
    assert any("Of 15 settings the first 12" in note for note in notes(found))


BIRD, SPIDER = Benchmark("bird", "dev", "ex"), Benchmark("spider", "dev", "ex")


def test_systems_have_their_rows_until_measured(balance, sweeps):
    found = {row.name: row for row in compare("balance", balance.state).systems}
    assert found["GPT-4"].figures[BIRD].value == 59.39
    assert found["GPT-4"].figures[BIRD].origin == "published"
    assert found["T5-small"].figures[SPIDER].origin == "not applicable"
    assert found["this sweep's best"].figures[SPIDER].origin == "not applicable"
    spider = base_config(
        data={"format": "spider", "root": "x"},
        model={"name": "t5", "hub_id": "cssupport/t5-small-awesome-text-to-sql"},
    )
    sweeps.trial("on_spider", 0, {"seed": 0}, verdicts({0, 1, 2, 3}), config=spider)
    measured = {row.name: row for row in compare("on_spider", sweeps.state).systems}
    cell = measured["T5-small"].figures[SPIDER]
    assert (cell.origin, cell.value, cell.protocol) == ("measured", 20.0, "spider-ex, strict reading")
    assert (cell.text, cell.answers, cell.seeds, cell.scale) == ("20 (n = 20, 1 seed)", "20", "1", "pocket")
    assert measured["T5-small"].figures[BIRD].origin == "not applicable"
    assert measured["T5-small"].figures[Benchmark("spider", "dev", "spider_em")].value == 20.0
    sweeps.trial("on_spider", 1, {"seed": 0}, verdicts({0, 1}), 1, spider)
    measured = {row.name: row for row in compare("on_spider", sweeps.state).systems}
    assert measured["T5-small"].figures[SPIDER].text == "15 (n = 20, 2 seeds)"


@pytest.mark.parametrize(
    ("corpus", "split_by", "part"),
    [("geography", "question", "question"), ("geography", "published", "question"), ("geography", "query", "query"),
     ("restaurants", "question", None)],
)  # fmt: skip
def test_geoquery_stands_beside_its_published_figures_with_what_it_was_tested_on(sweeps, corpus, split_by, part):
    sweeps.prepare({"decomposer": 9})
    about = json.loads((sweeps.prepared / "about.json").read_text())
    (sweeps.prepared / "about.json").write_text(json.dumps({**about, "corpus": corpus}))
    config = base_config(data={"format": "text2sql", "root": "x", "split_by": split_by})
    sweeps.trial("on_geoquery", 0, {}, verdicts({0, 1, 2}), config=config)
    own = next(row for row in compare("on_geoquery", sweeps.state).systems if row.name == "this sweep's best")
    for each, size in (("question", 279), ("query", 182)):
        cell = own.figures[Benchmark("geoquery", each, "exact_match")]
        said = f"15 (n = 20, other than the {size} of the published figures, 1 seed)" if each == part else ""
        assert (cell.text, cell.origin) == (said, "measured" if said else "not applicable")


@pytest.mark.parametrize(
    "limit",
    [{"data": {"format": "spider", "limit": 20}}, {"data": {"format": "spider"}, "generation": {"limit": 20}}],
)
def test_a_handful_of_questions_is_no_benchmark(sweeps, limit):
    config = base_config(**limit)
    sweeps.trial("on_spider", 0, {}, verdicts({0, 1}), config=config)
    own = next(row for row in compare("on_spider", sweeps.state).systems if row.name == "this sweep's best")
    assert (own.figures[SPIDER].value, own.figures[SPIDER].origin) == (None, "not applicable")
    assert "data.limit" in own.figures[SPIDER].note


def test_a_trial_of_a_study_that_is_gone_is_left_out_and_named(sweeps):
    old = sweeps.trial("rates", 0, {"trainer.learning_rate": 1.0}, verdicts({1}))
    kept = old.rename(old.with_name("rates-0000-older"))
    os.utime(kept / "trial.json", (1, 1))
    sweeps.trial("rates", 0, {"trainer.learning_rate": 1.0}, verdicts({1, 2, 3}))
    found = compare("rates", sweeps.state)
    assert [report.trial.key for report in found.trials] == ["rates-0000"]
    assert any("an earlier study of this name" in note and "1 (rates-0000-older)" in note for note in notes(found))
    (sweeps.state / "trials" / "rates-0000").rename(sweeps.state / "trials" / "rates-0000-first")
    sweeps.trial("rates", 3, {"trainer.learning_rate": 4.0}, verdicts({1}))
    other = base_config(trainer={"num_train_epochs": 77})
    for index in range(2):  # begun anew with another configuration: the trials of the first one do not fill its plan
        sweeps.trial("rates", index, {"trainer.learning_rate": 1.0 + index}, verdicts({1}), config=other)
        shutil.move(sweeps.state / "trials" / f"rates-000{index}", sweeps.state / "trials" / f"rates-000{index}-new")
    for path in sweeps.state.glob("trials/*-new/trial.json"):
        os.utime(path, (2e9, 2e9))
    found = compare("rates", sweeps.state)
    assert [report.trial.key for report in found.trials] == ["rates-0000-new", "rates-0001-new"]
