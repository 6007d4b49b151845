"""`macsql COMMAND ...`, the same as the module that the command is. A command is imported when it is called."""

import os
import sys
from importlib import import_module

from macsql.errors import UserError
from macsql.help import COMMANDS, KEYS, commands
from macsql.system.streams import guarded

ABOUT = """macsql - sweeps of small text-to-SQL agents, and their comparison with published figures

{commands}

`macsql COMMAND --help` says more. `python -m macsql.sweep` and the like are the same commands.
State is kept in mlruns/ of the current folder, or in tracking.state_dir=DIR.
Tab completion of commands, keys and groups: eval "$(macsql --shell-completion install=bash)", or =zsh, or =fish.
"""


def main() -> None:
    """The console script: calls the command that the first word names."""
    sys.exit(guarded(_run))


def _run() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help", "help"):
        print(ABOUT.format(commands=commands()))
        return 0
    if name == "--version":
        from macsql import __version__

        print(f"macsql {__version__}")
        return 0
    if name in ("-sc", "--shell-completion"):
        return _complete()
    if name not in COMMANDS:
        raise UserError(f"There is no command {name!r}: choose one of {', '.join(COMMANDS)}.")
    sys.argv[:2] = [f"macsql {name}"]
    return import_module(f"macsql.{name}").main() or 0


def _complete() -> int:
    """Hydra's shell completion, which knows nothing of commands: it is given the line without the command."""
    line = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT", 10_000))]
    words = line.split(maxsplit=2)
    if line and (len(words) < 2 or (len(words) == 2 and not line.endswith(" "))):
        print("\t".join(name for name in COMMANDS if name.startswith(words[1] if len(words) == 2 else "")))
        return 0
    if line:
        rest = "macsql " + (words[2] if len(words) > 2 else "")
        os.environ |= {"COMP_LINE": rest, "COMP_POINT": str(len(rest))}
    if line and words[1] not in KEYS:
        return 0
    sys.argv[0] = "macsql"
    return import_module("macsql.train").main() or 0


if __name__ == "__main__":
    main()
