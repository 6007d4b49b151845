"""A trial small enough to be run many times."""

import pytest
import torch
from omegaconf import OmegaConf

from macsql.config import Config, validate


@pytest.fixture(autouse=True)
def one_thread():
    """Bit-exact comparisons need it, and tiny models are no faster on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny(tmp_path_factory) -> Config:
    """A configuration whose whole trial takes a few seconds; the state directory is shared by a module's tests."""
    state = tmp_path_factory.getbasetemp() / "state"
    return validate(
        OmegaConf.create(
            {
                "data": {"format": "pocket", "questions": 8, "test_fraction": 0.2, "eval_fraction": 0.2},
                "agents": {"style": "compact", "value_examples": 1},
                "codec": {"name": "compact"},
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
