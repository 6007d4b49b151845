"""Fixtures for the whole house; the hub is off so that a hidden download fails."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from omegaconf import OmegaConf

from macsql.config import Config, validate
from macsql.database.sandbox import Sandbox
from macsql.database.schema import Database, Schema, read_sqlite_schema

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with development data (GeoQuery, Spider, known verdicts); tests that need it skip without it."""
    folder = Path(os.environ.get("MACSQL_SHARED", REPO.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set MACSQL_SHARED")
    return folder


@pytest.fixture(scope="session")
def ferries(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A small database of our own, with what is awkward: a wide table, NULLs, a name with a space."""
    path = tmp_path_factory.mktemp("ferries") / "ferries.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((REPO / "tests" / "data" / "ferries.sql").read_text(encoding="utf-8"))
    return Database("ferries", path, read_sqlite_schema(path))


@pytest.fixture(scope="session")
def schema(ferries: Database) -> Schema:
    return ferries.schema


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1) as box:
        yield box


@pytest.fixture
def make_sqlite():
    """A function (path, script) that makes a SQLite file."""

    def make(path, script):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
            connection.commit()
        return path

    return make


@pytest.fixture
def write_json():
    """A function (path, content) that writes a JSON file."""

    def write(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def machine(monkeypatch):
    """Pretend to be a machine with a GPU (whether it has bf16) or a CPU of some kind."""
    import torch

    from macsql.system.precision import cpu_instruction

    def make(cpu: tuple[str, ...] = (), gpu: bool | None = None):
        cpu_instruction.cache_clear()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(cpu, True))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu is not None)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bool(gpu))
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    yield make
    cpu_instruction.cache_clear()


@pytest.fixture
def tiny(tmp_path_factory) -> Config:
    """A configuration whose whole trial takes a few seconds; the state directory is shared by a module's tests."""
    state = tmp_path_factory.getbasetemp() / "state"
    return validate(
        OmegaConf.create(
            {
                "data": {
                    "format": "pocket",
                    "databases": 5,
                    "questions": 8,
                    "test_fraction": 0.2,
                    "eval_fraction": 0.2,
                },
                "agents": {"style": "brief", "value_examples": 1},
                "codec": {"name": "marks"},
                "mixture": {"name": "real"},
                "model": {
                    "name": "pocket",
                    "pocket": {"vocab_size": 600, "d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2},
                },
                "trainer": {
                    "per_device_train_batch_size": 8,
                    "learning_rate": 1e-3,
                    "num_train_epochs": 2,
                    "bf16": "false",
                },
                "generation": {"max_new_tokens": 8, "limit": 2},
                "search": {"sampler": "grid"},
                "executor": {"name": "local", "threads": 1},
                "tracking": {"state_dir": str(state)},
            }
        )
    )


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """The folder of a T5 of random weights with a card, as training leaves it: it answers, but never to the point."""
    from macsql.config import AgentsConfig, CodecConfig, DataConfig, ModelConfig, TrackingConfig
    from macsql.models import families
    from macsql.records import Example

    state = tmp_path_factory.mktemp("tiny")
    sizes = {"vocab_size": 300, "d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    config = Config(
        data=DataConfig(format="pocket"),
        agents=AgentsConfig(style="brief", value_examples=1),
        model=ModelConfig(name="pocket", pocket=sizes, max_source_length=128, max_target_length=12),
        codec=CodecConfig("marks"),
        tracking=TrackingConfig(state_dir=str(state)),
    )
    source, target = "decompose: names of ships? | schema: vessel: name", "```sql\nSELECT name FROM vessel\n```"
    rows = [Example(f"{n}", "decomposer", "q", "d", source, target, "", "") for n in range(9)]
    model = families.model_of(config, families.text_of(config, rows), "0123456789abcdef")
    model.network.save_pretrained(state / "model")
    model.text.tokenizer.save_pretrained(state / "model")
    model.card.write(state / "model")
    return state / "model"
