"""The house as a whole: imports point one way, each heavy library has one room, and no room is nameless."""

import ast
import re
from pathlib import Path

import pytest

from macsql.places import CONF, REPO

PACKAGE = REPO / "macsql"
# a module may import its own floor and the floors above it in this list, never one below
FLOORS = [
    {
        "errors",
        "addresses",
        "files",
        "manifest",
        "reading",
        "records",
        "config",
        "file_lock",
        "places",
        "revision",
        "streams",
    },
    {"app", "database", "trials"},
    {"agents", "corpora", "grammar"},
    {"factory", "protocols"},
    {"metrics"},
    {"models"},
    {"training"},
    {"executors", "tracking", "search"},
    {"coordination"},
    {"comparison"},
    {"report"},
    {"train", "build", "audit", "score", "compare", "evaluate", "ask"},
    {"sweep"},
    {"__main__"},
]
ONE_ROOM = {
    "mlflow": {"tracking.py"},
    "optuna": {"search/study.py"},
    "ray": {"executors/ray.py"},
    "submitit": {"executors/slurm.py"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "macsql" and len(parts) > 1 and parts[1] in set().union(*FLOORS):
            assert floor_of(parts[1]) <= floor_of(room), f"{path.name} imports {name}"


@pytest.mark.parametrize("library", sorted(ONE_ROOM))
def test_a_heavy_library_has_one_room(library):
    users = {
        str(path.relative_to(PACKAGE)) for path in MODULES if any(n.split(".")[0] == library for n in imported(path))
    }
    assert users <= ONE_ROOM[library]


@pytest.mark.parametrize("room", sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()))
def test_a_room_holds_one_subject(room):
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in (PACKAGE / room).rglob("*.py"))
    assert lines <= (2_800 if room == "protocols" else 2_300), "a room this large holds more than one subject"


def test_no_room_is_called_after_nothing():
    assert not [path for path in MODULES if re.fullmatch(r"(utils?|helpers?|common|misc)\.py", path.name)]


def test_every_experiment_begins_with_its_command_and_has_its_row():
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        head = path.read_text(encoding="utf-8").splitlines()[:2]
        assert head[0] == "# @package _global_", path.name
        assert f"python -m macsql.sweep +experiment={path.stem}" in head[1], path.name
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
