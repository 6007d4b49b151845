"""Examples as rows of token ids, made once for all trials that read the same texts in the same way.

    <state_dir>/data/rows/<name>/rows.arrow

The name says what went into the rows: the texts, the tokenizer with its tokens, the codec, the template, the windows,
the family, the libraries and the code of this package. So a folder never holds rows of anything else.
"""

from collections.abc import Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from macsql.models.model import Trainable
from macsql.records import Example
from macsql.system.kept import code_in, keep, name_of, whole

if TYPE_CHECKING:
    from datasets import Dataset

FEW = 200  # rows that are made as fast as they are found
ROWS = "rows.arrow"


def token_rows(examples: Sequence[Example], model: Trainable, state: Path) -> "Dataset":
    """The examples as rows of token ids and labels, cut to the model's windows, in their order; kept in `state`."""
    from datasets import Dataset

    def made() -> Dataset:
        return Dataset.from_list(model.rows([row.source for row in examples], [row.target for row in examples]))

    if len(examples) < FEW or (name := _name(examples, model)) is None:
        return made()
    folder = state / "data" / "rows" / name
    if whole(folder):
        return Dataset.from_file(str(folder / ROWS))
    rows = made()
    keep(folder, lambda partial: _write(rows, partial / ROWS))
    return rows


def _name(examples: Sequence[Example], model: Trainable) -> str | None:
    """What names the rows; None where the tokenizer cannot be told from another."""
    text = model.text
    tokens = getattr(text.tokenizer, "backend_tokenizer", None)
    if tokens is None:
        return None
    made_with = (
        *(model.family, text.codec.name, text.max_source_length, text.max_target_length, text.frame),
        *(tokens.to_str(), text.tokenizer.special_tokens_map, version("tokenizers"), version("transformers")),
        code_in(*sorted(Path(__file__).parent.glob("*.py"))),
    )
    return name_of(chain.from_iterable((row.source, row.target) for row in examples), *made_with)


def _write(rows: "Dataset", path: Path) -> None:
    import pyarrow as pa

    table = rows.data.table
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
