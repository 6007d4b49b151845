"""Seats: servers that fail, what is remembered, and which folder a reference to a model means."""

import json
import shutil
import time
from pathlib import Path

import pytest

from macsql.config import ApiConfig, GenerationConfig, SeatsConfig
from macsql.errors import UserError
from macsql.models.card import Card, read_card
from macsql.models.generating import Generating
from macsql.models.model import Answer
from macsql.pipeline import references
from macsql.pipeline.chat_api import NoAnswerError
from macsql.pipeline.memory import Journal
from macsql.pipeline.references import find
from macsql.pipeline.seating import Seating, check_seats
from macsql.pipeline.seats import GIVE_UP, ApiSeat, ModelSeat, Nobody, Oracle
from macsql.pipeline.turns import Ask, Ending
from macsql.records import AGENTS, Question
from macsql.trials.folder import CONFIG, MODEL
from macsql.trials.result import Result, write_result

CARD = Card("chat-api", "mac_sql", "verbatim", 8192, 512, "none", ("selector", "decomposer", "refiner"), "", "")


class Server:
    """A ChatApi without a network: answers with the question, or fails where it holds a word."""

    host, card = "example.org", CARD

    def __init__(self, fatal: str = "") -> None:
        self.config, self.fatal, self.asked = ApiConfig(model="gpt-4", parallel=3), fatal, 0

    def ask(self, prompt: str, generation: GenerationConfig) -> Answer:  # noqa: ARG002
        self.asked += 1
        time.sleep(0.002)
        question = prompt.split("【Question】\n")[-1].splitlines()[0]
        if "broken" in question:
            raise NoAnswerError("500: oops")
        if self.fatal and self.fatal in question:
            raise UserError("example.org refuses the key in KEY.")
        return Answer(question, question, False, 7, 100)


def asks(ferries, *texts: str) -> list[Ask]:
    return [
        Ask("decomposer", Question(f"q/{n}", "ferries", t, ""), ferries, ferries.schema) for n, t in enumerate(texts)
    ]


def test_a_server_is_asked_in_parallel_and_answers_in_order(ferries):
    server = Server()
    texts = [f"question {n}" for n in range(20)]
    replies = ApiSeat(server, GenerationConfig()).answer(asks(ferries, *texts), lambda _: None)
    assert [reply.wrote for reply in replies] == texts
    assert {(reply.read_tokens, reply.wrote_tokens) for reply in replies} == {(100, 7)}


def test_a_question_without_an_answer_is_told_and_costs_itself_alone(ferries, tmp_path):
    journal = Journal(tmp_path / "answers.jsonl")
    server = Server()
    seat = ApiSeat(server, GenerationConfig(), journal)
    asked = asks(ferries, "one", "broken", "three")
    one, two, three = seat.answer(asked, lambda _: None)
    assert (one.wrote, three.wrote) == ("one", "three")
    assert (two.ending, two.message) == (Ending.NO_ANSWER, "example.org: 500: oops")
    assert (server.asked, len(journal)) == (3, 2)
    seat.answer(asked, lambda _: None)
    assert server.asked == 4  # what had no answer is asked again, nothing else


def test_a_server_that_answers_nothing_stops_the_work(ferries):
    server = Server()
    with pytest.raises(UserError, match=rf"not answered {GIVE_UP} questions in a row \(example.org: 500: oops\)"):
        ApiSeat(server, GenerationConfig()).answer(asks(ferries, *["broken"] * 100), lambda _: None)
    assert server.asked < 100


def test_a_refused_key_stops_the_work(ferries):
    server = Server(fatal="secret")
    with pytest.raises(UserError, match="refuses the key"):
        ApiSeat(server, GenerationConfig()).answer(asks(ferries, *["fine"] * 3, *["secret"] * 50), lambda _: None)
    assert server.asked < 50


@pytest.mark.parametrize("agent", ["selector", "decomposer", "refiner"])
def test_oracle_and_nobody_answer_for_every_agent(ferries, agent):
    gold = "SELECT name FROM vessel"
    asked = [Ask(agent, Question("q", "ferries", "Names?", gold), ferries, ferries.schema)]
    [reply] = Oracle().answer(asked, lambda _: None)
    assert reply.ending is Ending.ANSWERED
    assert ("vessel" in reply.wrote) == (agent != "x")
    [reply] = Nobody().answer(asked, lambda _: None)
    assert (reply.ending, reply.wrote) == (Ending.EMPTY, "")


def test_the_oracle_has_no_answer_without_gold_or_where_it_cannot_be_read(ferries):
    for agent, gold in (("decomposer", ""), ("selector", "SELECT FROM WHERE")):
        asked = [Ask(agent, Question("q", "ferries", "Names?", gold), ferries, ferries.schema)]
        assert Oracle().answer(asked, lambda _: None)[0].ending is Ending.NO_ANSWER


# --- which folder a reference means ---


def trial(state: Path, name: str, model: Path | None, metrics: dict[str, float], status: str = "FINISHED") -> Path:
    folder = state / "trials" / name
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text("seed: 0\n")
    if model is not None:
        shutil.copytree(model, folder / MODEL)
    write_result(folder, Result(status, metrics))
    return folder


@pytest.fixture
def state(tmp_path, tiny_model) -> Path:
    state = tmp_path / "mlruns"
    trial(state, "lr_bs-0000-00000000", tiny_model, {"eval_loss": 0.5})
    trial(state, "lr_bs-0001-11111111", tiny_model, {"eval_loss": 0.3})
    trial(state, "other-0000-22222222", tiny_model, {"eval_loss": 0.4, "decomposer/execution_accuracy": 0.9})
    trial(state, "broken-0000-33333333", tiny_model, {"eval_loss": 0.1}, "FAILED")
    trial(state, "empty-0000-44444444", None, {"eval_loss": 0.1})
    return state


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        (None, "lr_bs-0001-11111111"),
        ("lr_bs", "lr_bs-0001-11111111"),
        ("other", "other-0000-22222222"),
        ("lr_bs-0000-00000000", "lr_bs-0000-00000000"),
    ],
)
def test_the_best_trial_has_the_lowest_eval_loss_and_test_figures_choose_nothing(state, reference, name):
    found = find(reference, state)
    assert (found.name, found.folder) == (name, state / "trials" / name / MODEL)
    assert ("eval_loss" in found.why) == (reference in (None, "lr_bs", "other"))


def test_execution_accuracy_on_eval_questions_comes_before_the_loss(state, tiny_model):
    trial(state, "ex-0000-55555555", tiny_model, {"eval_loss": 9.0, "eval/decomposer/execution_accuracy": 0.2})
    found = find(None, state)
    assert (found.name, found.why) == (
        "ex-0000-55555555",
        "the highest eval/decomposer/execution_accuracy, 0.2, of 1 finished",
    )


def test_folders_of_models_and_of_trials(state, tiny_model):
    whole = state / "trials" / "lr_bs-0000-00000000"
    assert find(str(whole), state).folder == find(str(whole / MODEL), state).folder == whole / MODEL
    assert find(str(whole / MODEL), state).name == whole.name
    assert find(str(tiny_model), Path("nowhere")).folder == tiny_model


def test_a_trial_without_a_model_is_named(state):
    with pytest.raises(UserError, match="is a trial without a model"):
        find("empty-0000-44444444", state)


def test_a_model_that_was_not_trained_to_write_sql_is_no_default(tmp_path, tiny_model):
    folder = trial(tmp_path, "s-0000-66666666", tiny_model, {"eval_loss": 0.1})
    card = json.loads((folder / MODEL / "card.json").read_text())
    (folder / MODEL / "card.json").write_text(json.dumps(card | {"agents": ["selector"]}))
    assert find(None, tmp_path).folder == references.SHIPPED


def test_the_model_that_ships_is_taken_where_there_is_no_trial(tmp_path):
    found = find(None, tmp_path)
    assert found.folder == references.SHIPPED
    assert set(read_card(found.folder).agents) == set(AGENTS)


def test_the_model_that_ships_has_a_name_for_those_who_have_trained_others(state):
    assert find("pocket", state) == references.Found(references.SHIPPED, "pocket")


def test_a_model_without_a_card_needs_a_style(tmp_path, tiny_model):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    (bare / "card.json").unlink()
    seating = Seating(SeatsConfig(model=str(bare)), GenerationConfig(), tmp_path)
    with pytest.raises(
        UserError, match=r"holds no card\.json: name a trained model's folder, or say with seats\.style"
    ):
        seating.whole()
    seat = Seating(SeatsConfig(model=str(bare), style="brief"), GenerationConfig(), tmp_path).whole()["decomposer"]
    assert isinstance(seat, ModelSeat)
    assert (seat.card.prompt_style, seat.card.codec) == ("brief", "verbatim")


def test_one_model_is_loaded_once_and_plays_what_it_was_trained_for(tmp_path, tiny_model):
    seats = Seating(SeatsConfig(model=str(tiny_model)), GenerationConfig(), tmp_path).whole()
    assert seats["selector"] is seats["decomposer"] is seats["refiner"]
    narrow = tmp_path / "narrow"
    shutil.copytree(tiny_model, narrow)
    card = json.loads((narrow / "card.json").read_text())
    (narrow / "card.json").write_text(json.dumps(card | {"agents": ["decomposer"]}))
    config = SeatsConfig(model=str(narrow))
    seats = Seating(config, GenerationConfig(), tmp_path).whole()
    assert isinstance(seats["selector"], Nobody)
    assert isinstance(seats["refiner"], Nobody)
    with pytest.raises(UserError, match=r"narrow was trained for decomposer: .* seats\.selector=none"):
        Seating(config, GenerationConfig(), tmp_path).check()


@pytest.mark.parametrize("generation", [GenerationConfig(constrained=True), GenerationConfig(guided=True, num_beams=2)])
def test_a_seat_writes_within_the_generation_that_is_asked_for(tmp_path, tiny_model, ferries, generation):
    """Random weights write no SQL by themselves; of two beams the one is taken that the sandbox says runs."""
    seen = []
    seat = Seating(SeatsConfig(model=str(tiny_model)), generation, tmp_path).whole()["decomposer"]
    plain = seat.model.answer
    seat.model.answer = lambda prompts, generation, guides=None: (
        seen.extend(guides) or plain(prompts, generation, guides=guides)
    )
    [reply] = seat.answer(asks(ferries, "Names of ferries?"), lambda _: None)
    assert [(guide.reader is not None, guide.choose is not None) for guide in seen] == [
        (generation.constrained, generation.guided)
    ]
    if generation.constrained:
        assert "SELECT".startswith(reply.wrote.replace("```sql", "").strip()[:6].upper()), reply.wrote


@pytest.mark.parametrize(
    ("asked", "gpu", "use_cpu", "went", "said"),
    [
        ("auto", False, False, ("cpu", False), "the CPU in fp32 (this CPU has neither amx_bf16 nor avx512_bf16)."),
        ("true", False, False, ("cpu", True), "the CPU in bf16 (seats.bf16=true)."),
        ("auto", True, False, ("cuda", True), "the GPU (cuda) in bf16 (the GPU has bf16)."),
        ("False", True, False, ("cuda", False), "the GPU (cuda) in fp32 (seats.bf16=false)."),
        ("auto", True, True, ("cpu", False), "the CPU in fp32 (this CPU has neither amx_bf16 nor avx512_bf16)."),
    ],
)
def test_a_model_computes_where_and_in_what_the_machine_is_fast(
    tmp_path, tiny_model, machine, monkeypatch, asked, gpu, use_cpu, went, said
):
    machine(gpu=gpu or None)
    moved = []
    monkeypatch.setattr(Generating, "to", lambda _, device, bf16=False: moved.append((device, bf16)))
    seating = Seating(SeatsConfig(model=str(tiny_model), bf16=asked, use_cpu=use_cpu), GenerationConfig(), tmp_path)
    seating.whole()
    assert moved == [went]
    assert seating.precisions() == [f"{seating.found('decomposer').name} computes on {said}"]


def test_a_cpu_answers_in_bf16_where_the_model_is_large(tmp_path, tiny_model, machine, monkeypatch):
    machine(("avx512_bf16",))
    seating = Seating(SeatsConfig(model=str(tiny_model)), GenerationConfig(), tmp_path)
    found = seating.found("decomposer")
    assert str(seating.precision(found)) == "fp32 (0.0 M parameters gain little from this CPU's avx512_bf16)"
    exact = seating.weights(found)
    monkeypatch.setattr("macsql.pipeline.seating.PAYS_IN_ANSWERS", 10)
    assert str(seating.precision(found)) == "bf16 (this CPU has avx512_bf16)"
    assert seating.weights(found) != exact, "what was answered in fp32 is not taken for an answer in bf16"
    seat = seating.seat("decomposer")
    assert str(seat.model.network.dtype) == "torch.bfloat16"


def test_a_t5_and_a_server_sit_side_by_side(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    config = SeatsConfig(model=str(tiny_model), selector="chat_api", models={"selector": "gpt-4o"})
    check_seats(config)
    seats = Seating(config, GenerationConfig(), tmp_path).whole()
    assert (seats["selector"].name, seats["selector"].card.prompt_style) == ("gpt-4o", "mac_sql")
    assert seats["decomposer"].card.prompt_style == "brief"


def test_what_mlflow_has_is_found_by_run_and_by_alias(state, tiny_model):
    from mlflow import MlflowClient

    from macsql.system.addresses import sqlite_url

    client = MlflowClient(sqlite_url(state / "mlflow.db"))
    experiment = client.create_experiment("e", artifact_location=str(state / "artifacts"))
    known = client.create_run(experiment, tags={"macsql.trial": "lr_bs-0000-00000000"}).info.run_id
    other = client.create_run(experiment).info.run_id
    assert find(known, state).name == "lr_bs-0000-00000000"
    client.create_registered_model("sql")
    client.create_model_version("sql", source=str(tiny_model))
    client.set_registered_model_alias("sql", "champion", "1")
    found = find("models:/sql@champion", state)
    assert find("models:/sql/1", state).folder.name == found.folder.name
    assert (found.folder / "card.json").read_text() == (tiny_model / "card.json").read_text()
    for reference, words in (
        (other, "is not of a trial"),
        ("0" * 32, "MLflow has no run"),
        ("models:/sql@nobody", "cannot be had from MLflow"),
        ("models:/sql", "names no version"),
    ):
        with pytest.raises(UserError, match=words):
            find(reference, state)
