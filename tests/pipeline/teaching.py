"""A model that answers: a T5 that has learnt to write one query whatever it is asked."""

from pathlib import Path

from macsql.config import AgentsConfig, CodecConfig, Config, DataConfig, ModelConfig, TrackingConfig
from macsql.models import families
from macsql.records import Example

SQL = "SELECT name, seats FROM vessel ORDER BY name"  # of the database of ferries
SIZES = {"vocab_size": 300, "d_model": 32, "d_ff": 64, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0}


def teach(state: Path) -> Path:
    """The model's folder, with a card, as training leaves it; it is Decomposer, Selector and Refiner."""
    import torch

    config = Config(
        data=DataConfig(format="pocket"),
        agents=AgentsConfig(style="brief", value_examples=1),
        model=ModelConfig(name="pocket", pocket=SIZES, max_source_length=256, max_target_length=64),
        codec=CodecConfig("marks"),
        tracking=TrackingConfig(state_dir=str(state)),
    )
    source = "decompose: which vessels are there? | schema: vessel: name, seats"
    rows = [Example(f"{n}", "decomposer", "q", "d", source, f"```sql\n{SQL}\n```", "", "") for n in range(9)]
    model = families.model_of(config, families.text_of(config, rows), "0123456789abcdef")
    batch = model.collator()(model.rows([source], [rows[0].target]))
    for step in range(150):
        model.network(**batch).loss.backward()
        with torch.no_grad():  # not torch.optim, which takes seconds to import what it does not need
            for weights in model.network.parameters():
                if weights.grad is not None:
                    weights -= 0.01 * (1 - step / 150) * weights.grad.sign()
        model.network.zero_grad()
    model.network.save_pretrained(state / "model")
    model.text.tokenizer.save_pretrained(state / "model")
    model.card.write(state / "model")
    return state / "model"
