"""The bench: takes turns, goes on where it was, tells ratios honestly, and measures what it says it measures."""

import re
import subprocess
import sys
import time
from xml.etree import ElementTree

import pytest
import torch

from experiments.bench import __main__ as bench
from experiments.bench import generation, gpu, grid, measure, page, stock_scoring, training
from experiments.bench.material import Material, made
from experiments.bench.measure import Job, Row, read, run, turns
from macsql.revision import revision


def row(part, contender, turn, figure, value, case="pocket", load=0.2, **more) -> Row:
    about = {"machine": "2 cores", "code": "abc", "day": "2026-01-01", "command": f"{contender} {case}"}
    return Row(part, case, contender, turn, figure, value, load, **{**about, **more})


PAIR = [
    *[row("b", "ours", turn, "tokens_per_second", value) for turn, value in enumerate([300.0, 330.0, 420.0])],
    *[row("b", "dynamic", turn, "tokens_per_second", value) for turn, value in enumerate([200.0, 300.0, 280.0])],
    *[row("b", name, 0, "peak_megabytes", value) for name, value in (("ours", 500.0), ("dynamic", 1000.0))],
    *[row("a", name, 0, "seconds", value, "six trials") for name, value in (("ours", 50.0), ("stock_multirun", 200.0))],
    row("g", "ours", 0, "seconds", 1.25, "help"),
]


def test_a_ratio_is_taken_within_a_round():
    told = {(one.part, one.figure): one for one in page.ratios(PAIR)}
    assert told["b", "tokens_per_second"].ratios == pytest.approx((1.5, 1.1, 1.5))
    assert told["b", "tokens_per_second"].words == "1.50 (1.10 to 1.50)"
    assert told["a", "seconds"].words == "4.00"  # less time is better
    assert told["b", "peak_megabytes"].words == "0.50"  # of the other's memory


def test_the_page_keeps_what_people_wrote_and_says_how_busy_the_machine_was(tmp_path):
    (tmp_path / "README.md").write_text(f"# Mine\n\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    page.publish(tmp_path, [*PAIR, row("c", "ours", 0, "answers_per_second", 1.0, load=9.0)])
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# Mine\n")
    assert text.endswith(f"{page.END}\nafter\n")
    assert "old" not in text
    assert (
        "| b training | pocket | dynamic | 330 tokens/s | 280 tokens/s | 1.50 (1.10 to 1.50) | 1.30, then 1.60 |"
        in text
    )
    assert "| g waiting at a terminal | help | seconds | 1.25 (1.25 to 1.25) |" in text
    busy = [line for line in text.splitlines() if "others were at work" in line]
    assert [line[:4] for line in busy] == ["- c:"]
    drawing = ElementTree.fromstring((tmp_path / "bench.svg").read_text())
    assert len(drawing.findall(".//{http://www.w3.org/2000/svg}circle")) == 4


def test_two_take_turns():
    jobs = [Job("d", "x", name, ()) for name in ("ours", "theirs")]
    assert [job.contender for turn in range(3) for job in turns(jobs, turn)] == [
        *("ours", "theirs"),
        *("theirs", "ours"),
        *("ours", "theirs"),
    ]


def says(figure: float) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print('chatter'); print('{{\"pairs_per_second\": {figure}}}')")


def test_a_job_that_fails_ends_the_bench_with_what_it_said():
    with pytest.raises(SystemExit, match=r"ended with 3:\n.*no such thing"):
        run(Job("d", "x", "ours", (sys.executable, "-c", "import sys; print('no such thing'); sys.exit(3)")), 0)


def test_a_job_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    mark = tmp_path / "mark"
    child = f"import time, pathlib; time.sleep(2); pathlib.Path({str(mark)!r}).touch()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(subprocess.TimeoutExpired):
        run(Job("t", "x", "ours", (sys.executable, "-c", parent)), 0, patience=0.5)
    time.sleep(2.5)
    assert not mark.exists()


@pytest.fixture
def two(monkeypatch, tmp_path):
    """A bench of one part with two contenders whose processes only print; returns the commands that were run."""
    ran = []

    def counted(job, turn):
        ran.append((turn, job.contender))
        return run(job, turn)

    jobs = [Job("d", "x", "ours", says(4)), Job("d", "x", "official_rules", says(2))]
    monkeypatch.setattr(bench, "JOBS", {"d": lambda _: jobs})
    monkeypatch.setattr(bench, "made", lambda *_: Material(tmp_path, True))
    monkeypatch.setattr(bench, "run", counted)
    return ran


def test_what_is_measured_is_not_measured_again(two, tmp_path, capsys):
    bench.bench(["d"], 2, True, False, tmp_path)
    assert two == [(0, "ours"), (0, "official_rules"), (1, "official_rules"), (1, "ours")]
    assert "2.00 (2.00 to 2.00)" in capsys.readouterr().out
    rows = read(tmp_path / "results.csv")
    assert {row.code for row in rows} == {revision()}
    measure.write(
        tmp_path / "results.csv", [row for row in rows if (row.round, row.contender) != (1, "ours")]
    )  # stopped
    bench.bench(["d"], 2, True, False, tmp_path)
    assert two[4:] == [(1, "ours")]
    bench.bench(["d"], 1, True, True, tmp_path)
    assert two[5:] == [(0, "ours"), (0, "official_rules")]


def test_figures_of_other_code_give_way(two, tmp_path):
    measure.write(tmp_path / "results.csv", [row("d", "ours", 0, "pairs_per_second", 9.0), PAIR[-1]])
    bench.bench(["d"], 1, True, False, tmp_path)
    rows = read(tmp_path / "results.csv")
    assert {row.value for row in rows if row.figure == "pairs_per_second"} == {4.0, 2.0}
    assert PAIR[-1] in rows  # of a part that was not asked for
    assert len(two) == 2


@pytest.mark.parametrize(
    ("words", "said"), [(["--only", "b,x"], "there is no part 'x'"), (["--rounds", "0"], "1 or more")]
)
def test_what_cannot_be_meant_is_refused(words, said, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit, match=said):
        bench.main()


@pytest.mark.parametrize(
    ("gold", "pred", "right"),
    [
        ([(1, "a"), (2, "b")], [("b", 2), ("a", 1)], True),
        ([(1, "a"), (2, "b")], [(1, "b"), (2, "a")], False),
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)], False),
        ([], [], True),
        ([(1,)], [(1, 1)], False),
    ],
)
def test_the_official_rules_compare_bags_of_rows(gold, pred, right):
    assert stock_scoring.equal(gold, pred, ordered=False) == right
    assert stock_scoring.equal(gold, gold, ordered=True)
    assert not stock_scoring.equal([(1,), (2,)], [(2,), (1,)], ordered=True)


def test_the_multirun_has_the_demos_grid(tmp_path):
    command, _ = grid.stock(Material(tmp_path, True), tmp_path / "out")
    words = " ".join(command)
    assert re.search(r"--multirun learning_rate=[\d.]+(,[\d.]+)+ per_device_train_batch_size=4,8 ", words)
    config = Material(tmp_path, True).config
    assert f"num_train_epochs={config.trainer.num_train_epochs}" in words
    first = float(words.split("learning_rate=")[1].split(",")[0])
    assert first == pytest.approx(3e-5 * config.scale.learning_rate_factor)


def test_tokens_are_counted_without_padding():
    watch = training.Stopwatch(1)
    batch = {"input_ids": torch.ones(2, 5), "attention_mask": torch.tensor([[1] * 5, [1] * 3 + [0] * 2])}
    collate = watch.collating(lambda _: {**batch, "labels": torch.tensor([[1, 2, -100], [1, -100, -100]])})
    for mark in (10.0, 12.0, 15.0):
        collate([])
        watch.marks.append(mark)
    figures = watch.figures()
    assert figures["tokens_per_second"] == pytest.approx(2 * 11 / 5)
    assert figures["padding_share"] == pytest.approx(1 - 11 / 16)
    assert figures["seconds_per_step"] == 2.5


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny models are no faster on two, and much slower where others are at work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return made(tmp_path_factory.mktemp("bench"), small=True)


def test_everyone_trains_on_the_same_rows(material):
    found = {
        name: training.train(material, name, "t5_small", 4, 2, 1, "false") for name in ("ours", "dynamic", "max_length")
    }
    assert found["max_length"]["padding_share"] > found["dynamic"]["padding_share"]
    assert all(figures["tokens_per_second"] > 0 and figures["peak_megabytes"] > 0 for figures in found.values())
    assert len({figures["parameters"] for figures in found.values()}) == 1


def test_everyone_gives_the_same_answers(material):
    found = [generation.ask(material, name, "pocket", 6) for name in generation.CONTENDERS]
    assert len({figures["characters"] for figures in found}) == 1


def test_a_machine_without_a_card_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"^There is no CUDA GPU here"):
        gpu.main()


def test_liger_kernel_is_compared_where_it_can_run(tmp_path):
    asked, without = gpu.jobs(Material(tmp_path, False), True), gpu.jobs(Material(tmp_path, False), False)
    assert [job.contender for job in asked if job not in without] == ["ours with liger-kernel"] * 2
    assert {job.part for job in without} == {"b", "c", "t"}


def test_the_time_ends_the_bench_of_a_card():
    clock = iter([0.0, 100.0, 470.0])
    asked = [Job("t", "16 trials", name, ()) for name in ("first", "second", "third")]

    def measured(job, turn, where, left):
        if job.contender == "second":
            raise subprocess.TimeoutExpired("x", left)
        return [row("t", job.contender, turn, "trials_per_minute", 30.0, job.case, machine=where)]

    rows, left_out = gpu.measured(asked, "a card", 480.0, lambda: next(clock), measured)
    assert [row.contender for row in rows] == ["first"]
    assert left_out == [
        "t 16 trials, second: stopped after 380 s, the time is up.",
        "t 16 trials, third: left out, the time is up.",
    ]
    assert "30.0 trials per minute" in gpu.text(rows, left_out, "a card")


def test_the_share_of_a_cards_peak():
    figures = {"tokens_per_second": 1e6, "parameters": 1e8}
    rows = [row("b", "ours", 0, name, value, "smollm2") for name, value in figures.items()]
    assert gpu.share_of_peak(rows, "NVIDIA H100 80GB HBM3") == ["- ours: 60.7% of 989 TFLOP/s"]
    assert gpu.share_of_peak(rows, "another") == []


@pytest.mark.slow
@pytest.mark.parametrize("module", ["gpu", ""])
def test_the_whole_of_it_in_small(module, tmp_path):
    name = ".".join(part for part in ("experiments.bench", module) if part)
    words = ["--rehearse"] if module else ["--small", "--rounds", "1", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", name, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "times as fast" in done.stdout
    if not module:
        assert {row.part for row in read(tmp_path / "results.csv")} == set("abcdefg")
        assert "workers" in (tmp_path / "README.md").read_text()
