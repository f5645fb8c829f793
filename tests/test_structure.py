"""Who imports whom, how long files are, and that what is public is described: read from the syntax trees alone."""

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {  # room -> rooms that it may import; the doors stand above all
    "dataset": {"dataset"},
    "model": {"model"},
    "utils": {"utils", "dataset", "model"},
    "tools": {"tools", "utils", "dataset", "model"},
    "doors": {"utils", "dataset", "model"},
}
DOORS = ("train", "eval", "predict")
PACKAGES = {"paddle", "numpy", "cv2", "PIL", "tqdm"}  # of requirements.txt, as they are imported
DISTRIBUTIONS = {"paddle": "paddlepaddle", "cv2": "opencv-python-headless", "PIL": "pillow"}
LONGEST, LONGEST_DOOR = 400, 150


def modules():
    """{dotted name: path} of every file of the rooms and of the doors."""
    paths = [ROOT / f"{door}.py" for door in DOORS]
    paths += [path for room in ROOMS if room != "doors" for path in sorted((ROOT / room).glob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}


MODULES = modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def room_of(name):
    return name.partition(".")[0] if "." in name else "doors"


def imported(name, nodes):
    """What a module imports in some nodes of its tree: modules of ours, and packages of others."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module if not node.level else ".".join(filter(None, [name.rpartition(".")[0], node.module]))
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    ours = {module for module in found if module in MODULES and module != name}
    return ours, {module.partition(".")[0] for module in found} - set(ROOMS) - set(DOORS)


def library():
    return [name for name in MODULES if room_of(name) in ("dataset", "model", "utils")]


def test_arrows_point_downwards_and_at_no_door():
    for name, tree in TREES.items():
        ours, _ = imported(name, ast.walk(tree))
        upwards = {module for module in ours if room_of(module) not in ROOMS[room_of(name)]}
        assert not upwards, f"{name} imports {sorted(upwards)}"


def test_nothing_imports_in_a_circle():
    graph = {name: imported(name, ast.walk(tree))[0] for name, tree in TREES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 does not list its own modules")
def test_the_core_imports_nothing_optional():
    """What stands in other files than requirements.txt is imported where it is used."""
    for name in [*library(), *DOORS]:
        top = [node for node in TREES[name].body if isinstance(node, (ast.Import, ast.ImportFrom))]
        _, others = imported(name, top)
        assert others <= PACKAGES | set(sys.stdlib_module_names), f"{name} imports {sorted(others - PACKAGES)}"


def test_requirements_are_what_is_imported():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = {re.match(r"[\w-]*", line)[0].lower() for line in lines} - {""}
    assert required == {DISTRIBUTIONS.get(package, package) for package in PACKAGES}
    used = {package for name in [*library(), *DOORS] for package in imported(name, ast.walk(TREES[name]))[1]}
    assert used >= PACKAGES


def test_the_library_knows_no_command_line():
    """utils/command_line.py is for doors and tools; the errors that it prints are in utils/errors.py."""
    users = {name for name, tree in TREES.items() if "utils.command_line" in imported(name, ast.walk(tree))[0]}
    assert users and {room_of(name) for name in users} <= {"doors", "tools"}


def test_files_are_short():
    for name, path in MODULES.items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= (LONGEST_DOOR if name in DOORS else LONGEST), f"{name} has {lines} lines"


def test_what_is_public_is_described():
    """Every module, function and class of the library, and what each layer of the network computes."""
    for name in library():
        bare = [] if ast.get_docstring(TREES[name]) or not TREES[name].body else ["the module"]
        for node in TREES[name].body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                inner = node.body if room_of(name) == "model" and isinstance(node, ast.ClassDef) else []
                forward = [part for part in inner if getattr(part, "name", "") == "forward"]
                bare += [f"{node.name} {part.name}" for part in (node, *forward) if not ast.get_docstring(part)]
        assert not bare, f"{name}: {', '.join(bare)}"
