"""The house as a whole: imports point one way, each heavy library has one room, and no room is nameless."""

import ast
import re
from pathlib import Path

import pytest

from macsql.__main__ import COMMANDS
from macsql.config import Config, flatten
from macsql.places import CONF, REPO
from macsql.protocols.by_name import PROTOCOLS
from macsql.records import AGENTS
from macsql.trials import folder

PACKAGE = REPO / "macsql"
# a module may import its own floor and the floors above it in this list, never one below
FLOORS = [
    {
        "errors",
        "system",
        "needs",
        "records",
        "config",
        "counts",
        "places",
        "revision",
    },
    {"app", "help", "database", "trials", "spelling"},
    {"agents", "corpora", "grammar", "spider_sql"},
    {"factory", "protocols", "generation", "pocket"},
    {"models"},
    {"constraints"},
    {"pretraining"},
    {"metrics"},
    {"training"},
    {"executors", "tracking", "search"},
    {"pipeline"},
    {"coordination"},
    {"comparison"},
    {"evaluation"},
    {"charts"},
    {"report"},
    {"train", "pretrain", "build", "audit", "score", "compare", "evaluate", "ask"},
    {"sweep"},
    {"__main__"},
]
ONE_ROOM = {
    "mlflow": {str(path.relative_to(PACKAGE)) for path in PACKAGE.glob("tracking/*.py")},
    "optuna": {"search/study.py"},
    "ray": {"executors/ray.py"},
    "submitit": {"executors/slurm.py"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} - {"__init__"}


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, those inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def test_every_room_has_its_floor_and_one_alone():
    standing = [room for rooms in FLOORS for room in rooms]
    assert len(standing) == len(set(standing))
    assert not ROOMS - set(standing), "say in FLOORS which rooms may import it"
    assert not set(standing) - ROOMS, "a room in FLOORS is gone"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "macsql" and len(parts) > 1 and parts[1] in ROOMS:
            assert floor_of(parts[1]) <= floor_of(room), f"{path.name} imports {name}"


LARGEST = {"training": 1200}  # lines; of any other room 2,300
OLD_WORDS = r"second_look|phrasings|\bforms\b(?=[:=\]])|Sight\b|Hearing\b|[Ee]mbedded|\b[Aa]rms?\b"


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The names along a circle of a graph; empty where there is none."""
    seen: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in seen:
            return []
        found = next((found for other in sorted(edges.get(name, ())) if (found := walk(other, [*path, name]))), [])
        seen.add(name)
        return found

    return next((found for name in sorted(edges) if (found := walk(name, []))), [])


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_module_and_no_room_imports_itself_round_a_corner():
    """Imports for types and those within functions count too."""
    names = {".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}
    modules = {name: (imported(path) & names.keys()) - {name, "macsql"} for name, path in names.items()}
    for name, found in modules.items():  # `from room import module` names the room as well
        modules[name] = {one for one in found if not any(other.startswith(f"{one}.") for other in found)}
    assert not circle(modules)
    rooms: dict[str, set[str]] = {}
    for name, found in modules.items():
        rooms.setdefault(name.split(".")[-1 if name == "macsql" else 1], set()).update(
            one.split(".")[1] for one in found
        )
    assert not circle({room: others - {room} for room, others in rooms.items()})


@pytest.mark.parametrize("room", sorted(path.name for path in PACKAGE.iterdir() if any(path.glob("*.py"))))
def test_a_room_is_small_enough_to_hold_and_stands_in_the_tree(room):
    """Templates count as code does."""
    texts = [path for path in (PACKAGE / room).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in texts)
    assert lines <= LARGEST.get(room, 2300), "a room this large holds more than one subject"
    assert re.search(rf"^  .*\b{room}/", (REPO / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


def glossary() -> dict[str, str]:
    """The README's words -> their meanings."""
    table = re.search(r"^\| word \| meaning \|\n\|[-|]+\n((?:\|.*\n)+)", (REPO / "README.md").read_text(), re.MULTILINE)
    assert table
    return {
        word.strip(): meaning.strip() for word, meaning in re.findall(r"^\| (.*?) \| (.*?) \|$", table[1], re.MULTILINE)
    }


def test_the_glossary_says_what_is_there():
    """Each word in backticks is a key, a choice, an agent, a metric, a protocol, a folder or a command."""
    words = glossary()
    assert 10 <= len(words) <= 25
    choices = {path.stem for path in CONF.rglob("*.yaml")}
    keys = {part for key in flatten(Config()) for part in (key, *key.split("."))}
    known = choices | keys | {*AGENTS, *PROTOCOLS, *COMMANDS}
    for quoted in re.findall(r"`([^`]+)`", " ".join([*words, *words.values()])):
        key, _, value = quoted.partition("=")
        there = quoted.strip("/") and (REPO / quoted).is_dir() if "/" in quoted else key in known
        assert there, quoted
        assert not value or (CONF / key / f"{value}.yaml").is_file(), quoted


def test_old_words_are_gone():
    for path in [*MODULES, *CONF.rglob("*.yaml"), *PACKAGE.rglob("*.jinja")]:
        text = path.read_text(encoding="utf-8")
        if path.name == "config.py":  # which answers to them
            text = re.sub(r"RENAMED.*?^}", "", text, flags=re.DOTALL | re.MULTILINE)
        assert not re.search(OLD_WORDS, text), f"{path}: {re.search(OLD_WORDS, text)}"


@pytest.mark.parametrize("library", sorted(ONE_ROOM))
def test_a_heavy_library_has_one_room(library):
    users = {
        str(path.relative_to(PACKAGE)) for path in MODULES if any(n.split(".")[0] == library for n in imported(path))
    }
    assert users <= ONE_ROOM[library]


def test_no_room_is_called_after_nothing():
    assert not [path for path in MODULES if re.fullmatch(r"(utils?|helpers?|common|misc)\.py", path.name)]


def test_every_experiment_begins_with_its_command_and_has_its_row():
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        head = path.read_text(encoding="utf-8").splitlines()[:2]
        assert head[0] == "# @package _global_", path.name
        command = "pretrain" if path.stem == "pocket_base" else "sweep"
        assert f"python -m macsql.{command} +experiment={path.stem}" in head[1], path.name
        assert f"+experiment={path.stem}" in readme, f"README.md has no row for {path.stem}"


def test_every_group_is_explained_where_it_is_chosen():
    lines = [
        line for line in (CONF / "config.yaml").read_text(encoding="utf-8").splitlines() if line.startswith("  - ")
    ]
    assert all("#" in line for line in lines if "_self_" not in line and "hydra_logging" not in line)


def test_nothing_names_a_command_that_is_not_there():
    rooms = (PACKAGE, *(REPO / room for room in ("conf", "experiments", "notebooks")))
    paths = [REPO / "README.md", *(path for room in rooms for path in room.rglob("*"))]
    for path in paths:
        if path.suffix in {".md", ".py", ".jinja", ".json", ".yaml", ".ipynb"}:
            for command in set(re.findall(r"python -m macsql\.(\w+)", path.read_text(encoding="utf-8"))):
                assert (PACKAGE / f"{command}.py").exists() or (PACKAGE / command).is_dir(), f"{path}: {command}"


def test_the_readme_names_no_target_that_is_not_there():
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make (\w+)", readme)) | set(re.findall(r"^make (\w+)", readme, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_files_of_a_trial_are_named_in_one_place():
    names = {
        name for name in vars(folder).values() if isinstance(name, str) and re.fullmatch(r"\w+\.(jsonl?|yaml)", name)
    }
    assert {"config.yaml", "eval_verdicts.jsonl", "result.json"} <= names
    for path in MODULES:
        if path != PACKAGE / "trials" / "folder.py":
            texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
            spelt = {text for text in texts if isinstance(text, str) and text.rpartition("/")[2] in names}
            assert not spelt, f"{path} spells {spelt}: take the name from macsql.trials.folder"
