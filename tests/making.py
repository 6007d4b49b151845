"""Configurations of models for tests."""

from pathlib import Path
from typing import Any

from macsql.config import AgentsConfig, CodecConfig, Config, DataConfig, ModelConfig, TrackingConfig
from macsql.models.families import text_of
from macsql.records import Example


def configured(model: ModelConfig, codec: str, state: Path, **changes: Any) -> Config:
    """A configuration that says no more than which model and which codec; files go to `state`."""
    return Config(
        data=DataConfig(format="pocket"),
        agents=AgentsConfig(style="mac_sql"),
        model=model,
        codec=CodecConfig(codec),
        tracking=TrackingConfig(state_dir=str(state)),
        **changes,
    )


def tokenizer_of(model: ModelConfig, codec: str, rows: list[Example], state: Path) -> Any:
    """The model's tokenizer with the codec's tokens."""
    return text_of(configured(model, codec, state), rows).tokenizer
