"""The command line: what a mistake is answered with, and what must not be imported for `--help`."""

import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from macsql.app import command
from macsql.config import RENAMED, Config, flatten, from_yaml, to_yaml, validate
from macsql.errors import UserError
from macsql.help import COMMANDS, KEYS


def answer(capsys, monkeypatch, *arguments: str) -> tuple[int, str, list[Config]]:
    """Exit code, stderr and the configurations that reached the command."""
    seen: list[Config] = []
    monkeypatch.setattr(sys, "argv", ["macsql", *arguments])
    with pytest.raises(SystemExit) as stop:
        command(lambda config: seen.append(config))()
    return int(stop.value.code or 0), capsys.readouterr().err, seen


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["+experiment=nope"], ["no experiment", "'nope'", "lr_bs"]),
        (["data=nope"], ["no data", "'nope'", "pocket", "spider"]),
        (["trainer.lerning_rate=1"], ["trainer.lerning_rate", "did you mean trainer.learning_rate"]),
        (["trainer.adam_beta2=0.9"], ["+trainer.adam_beta2"]),
        (["experiment=lr_bs"], ["overlay", "+experiment=NAME"]),
        (["nonsense=1"], ["'nonsense'", "groups are"]),
        (["+nonsense=1"], ["nonsense"]),
        (["+nogroup=thing"], ["nogroup"]),
        (["trainer.learning_rate=fast"], ["trainer.learning_rate", "fast"]),
        (["trainer.per_device_train_batch_size=4.5"], ["trainer.per_device_train_batch_size", "4.5"]),
        (["data.limit=many"], ["data.limit", "many"]),
        (["model.lora={rank: 4}"], ["no key 'model.lora.rank': did you mean model.lora.r?"]),
        (["model.lora=16"], ["model.lora=16: write {r: 16, alpha: 32"]),
        (["model.lora=null"], ["model.lora=null: write {r: 16, alpha: 32"]),
        (["model.lora={r: many}"], ["model.lora.r=many: a whole number is needed"]),
        (["sweep.dry_run=perhaps"], ["sweep.dry_run", "perhaps"]),
        (["data.root=caf\udce9.sqlite"], [r"'data.root=caf\udce9.sqlite' is not UTF-8: give the file another name"]),
        (
            ["trainer.learning_rate=choice(1,2"],
            ["'trainer.learning_rate=choice(1,2' cannot be read: close its brackets"],
        ),
        (
            ["trainer.learning_rate=choice()"],
            ["trainer.learning_rate=choice() has no values: write choice(a, b, ...)."],
        ),
        (["sweep.name=über"], ["'sweep.name=über' cannot be read", "write 'sweep.name=\"über\"'."]),
        (["tracking.state_dir=a b(c"], ["needs quotes: write 'tracking.state_dir=\"a b(c\"'."]),
        (["foo"], ["'foo' is not key=value"]),
        (["data=3"], ["There is no data called '3': choose one of bird"]),
        (["data.questions=many"], ["data.questions=many: a whole number is needed."]),
        (["data.strict=many"], ["data.strict=many: true or false is needed."]),
        (["agents.roles=all"], ["agents.roles=all: a list, as in [A, B], is needed."]),
        (["data.limit=many"], ["data.limit=many: a whole number or null is needed."]),
        (["agents=compact"], ["agents=compact is called agents=brief now."]),
        (["agents.second_look=false"], ["agents.second_look is called agents.augment now."]),
        (["data.rename.OLD=NEW"], ["data.rename has no 'OLD' yet", "+data.rename.OLD=VALUE"]),
        (["data.forms=[count_rows]"], ["data.forms is called data.templates now."]),
        (["+data.phrasings=2"], ["data.phrasings is called data.paraphrases now."]),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_1(capsys, monkeypatch, arguments, words):
    code, error, seen = answer(capsys, monkeypatch, *arguments)
    assert code == 1
    assert not seen
    assert error.strip().count("\n") == 0, error
    assert "Traceback" not in error
    for word in words:
        assert word in error


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_a_key_that_nobody_reads_is_answered_with_the_same_sentence_in_all_ways(capsys, monkeypatch, plus):
    sentence = "There is no key 'data.split': did you mean data.split_by? `--cfg job` prints the keys.\n"
    assert answer(capsys, monkeypatch, f"{plus}data.split=foo") == (1, sentence, [])


def test_a_quoted_value_of_any_letters_is_taken(capsys, monkeypatch):
    _, _, [config] = answer(capsys, monkeypatch, 'data.root="über (a b[c"')
    assert config.data.root == "über (a b[c"


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("typed", ["macsql {}", "/somewhere/macsql/{}.py"])
def test_help_lists_the_keys_of_the_command_as_it_was_typed(capsys, monkeypatch, name, typed):
    monkeypatch.setattr(sys, "argv", [typed.format(name), "--help"])
    with pytest.raises(SystemExit) as stop:
        command(print)()
    said = capsys.readouterr().out
    assert not stop.value.code
    start = "macsql " if typed.startswith("macsql") else "python -m macsql."
    assert said.startswith(f"{start}{name} ")
    for other in COMMANDS:
        assert f"  {start}{other} " in said
    for key in KEYS[name]:
        assert key in said


def test_help_names_every_key_that_belongs_to_a_command():
    told = {key for keys in KEYS.values() for key in keys}
    keys = flatten(Config())
    assert {key for key in keys if key.startswith(("sweep.", "build.", "audit.", "evaluate."))} | {"out"} <= told
    assert told - {"key=1,2"} <= keys.keys()


@pytest.mark.parametrize("arguments", [["agents=old"], ["agents.style=old"], ["+agents=old"]])
def test_a_value_that_has_another_name_now_is_answered_with_it(capsys, monkeypatch, arguments):
    monkeypatch.setitem(RENAMED, "agents=old", "agents=brief")
    monkeypatch.setitem(RENAMED, "agents.style=old", "agents.style=brief")
    code, error, seen = answer(capsys, monkeypatch, *arguments)
    old = arguments[0].removeprefix("+")
    assert (code, error, seen) == (1, f"{old} is called {old.replace('old', 'brief')} now.\n", [])


def test_a_good_line_reaches_the_command_with_types(capsys, monkeypatch):
    code, error, [config] = answer(
        capsys, monkeypatch, "+experiment=lr_bs", "+scale=pocket", "data.limit=7", "+trainer.adam_beta2=0.98"
    )
    assert (code, error) == (0, "")
    assert config.sweep.name == "lr_bs"
    assert config.data.limit == 7
    assert config.scale.learning_rate_factor > 1
    assert config.trainer.options == {"adam_beta2": 0.98}


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_a_mapping_is_given_whole(capsys, monkeypatch, plus):
    code, error, [config] = answer(capsys, monkeypatch, f"{plus}data.rename={{A.B: C}}", "mixture.ratio={selector: 2}")
    assert (code, error) == (0, "")
    assert (config.data.rename, config.mixture.ratio) == ({"A.B": "C"}, {"selector": 2.0})


def test_the_overlays_apply_in_the_order_they_are_written(capsys, monkeypatch):
    _, _, [bare] = answer(capsys, monkeypatch, "+experiment=lr_bs")
    _, _, [scaled] = answer(capsys, monkeypatch, "+experiment=lr_bs", "+scale=pocket")
    assert bare.scale.learning_rate_factor == 1.0
    assert scaled.scale.note
    assert scaled.search.space == bare.search.space


def test_yaml_round_trip_keeps_every_key(capsys, monkeypatch):
    _, _, [config] = answer(capsys, monkeypatch, "+experiment=lr_bs", "search=tpe", "+trainer.adam_beta2=0.98")
    assert from_yaml(to_yaml(config)) == config
    assert flatten(config)["trainer.options.adam_beta2"] == 0.98


def test_a_text_is_read_the_same_with_and_without_omegaconf(capsys, monkeypatch):
    arguments = ("+experiment=representation", "+scale=pocket_brief", "search=tpe", "search.n_trials=3")
    _, _, [config] = answer(capsys, monkeypatch, *arguments, "+trainer.adam_beta2=1e-5")
    fast, text = from_yaml(to_yaml(config)), to_yaml(config)
    slow = validate(OmegaConf.create(text))
    assert fast == slow == config
    monkeypatch.delattr("macsql.config.OmegaConf")
    assert from_yaml(text) == config
    assert {key: type(value) for key, value in flatten(fast).items()} == {
        key: type(value) for key, value in flatten(slow).items()
    }


@pytest.mark.parametrize(
    ("written", "instead", "key", "value"),
    [
        ("  fold: 0\n", "", "data.fold", 0),  # an older text lacks a key
        ("  num_train_epochs: 6.0\n", "  num_train_epochs: 6\n", "trainer.num_train_epochs", 6.0),
        ("  fold: 0\n", "  fold: ${seed}\n", "data.fold", 0),
    ],
)
def test_a_text_that_is_not_as_it_was_written_goes_through_omegaconf(capsys, monkeypatch, written, instead, key, value):
    _, _, [config] = answer(capsys, monkeypatch, "+experiment=lr_bs", "+scale=pocket")
    text = to_yaml(config)
    assert text.count(written) == 1
    found = flatten(from_yaml(text.replace(written, instead)))[key]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("instead", ["  fold: zero\n", "  fold: 0\n  flod: 1\n"])
def test_a_text_that_is_wrong_is_answered_as_a_command_line_is(capsys, monkeypatch, instead):
    _, _, [config] = answer(capsys, monkeypatch, "+experiment=lr_bs")
    with pytest.raises(UserError, match=r"data\.fl?o"):
        from_yaml(to_yaml(config).replace("  fold: 0\n", instead))


@pytest.mark.parametrize(
    ("written", "instead", "sentence"),
    [
        ("  paraphrases:", "  phrasings:", "data.phrasings is called data.paraphrases now."),
        ("style: brief", "style: compact", "agents.style=compact is called agents.style=brief now."),
        ("  strict: false\n", "  strict: false\n  forms: []\n", "data.forms is called data.templates now."),
        ("  optim: adamw_torch_fused\n", "  optim: old\n", "trainer.optim=old is called trainer.optim=new now."),
    ],
)
def test_an_older_text_is_answered_with_the_new_name(capsys, monkeypatch, written, instead, sentence):
    monkeypatch.setitem(RENAMED, "trainer.optim=old", "trainer.optim=new")
    _, _, [config] = answer(capsys, monkeypatch, "+experiment=lr_bs")
    text = to_yaml(config)
    assert text.count(written) == 1
    with pytest.raises(UserError) as refused:
        from_yaml(text.replace(written, instead))
    assert str(refused.value) == sentence


def test_validate_needs_a_value_where_there_is_no_default():
    with pytest.raises(UserError, match=r"data\.format"):
        validate(OmegaConf.create({}))


@pytest.mark.parametrize(
    ("flags", "epochs"), [((), "${trainer.num_train_epochs} epochs"), (("--resolve",), "6 epochs")]
)
def test_the_whole_configuration_is_printed_with_its_references_or_resolved(capsys, monkeypatch, flags, epochs):
    monkeypatch.setattr(sys, "argv", ["macsql", "+experiment=balance", "+scale=pocket", "--cfg=job", *flags])
    with pytest.raises(SystemExit) as stop:
        command(print)()
    said = capsys.readouterr()
    assert (stop.value.code, said.err) == (0, "")
    assert epochs in " ".join(said.out.split())


@pytest.mark.parametrize("flag", ["--help", "--cfg=job"])
def test_help_and_the_printed_configuration_import_nothing_heavy(flag):
    code = (
        "import sys; sys.argv = ['sweep', sys.argv[1], '+experiment=lr_bs']\n"
        "import macsql.sweep\n"
        "try: macsql.sweep.main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "heavy = {'torch', 'transformers', 'mlflow', 'optuna', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code, flag], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "sweep" in done.stdout
