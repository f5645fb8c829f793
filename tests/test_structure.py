"""Who imports whom, how long files are, and that what is public is described: read from the syntax trees alone."""

import ast
import re
import sys
import tokenize
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOORS = ("train", "eval", "predict")
OF_DOORS = {"prediction", "evaluation", "training"}  # rooms of the doors, which never import one another
CRAFTS = {"engine", "background", "video"}  # strangers to one another
LIBRARY = {"system", "picture", "weights", "predictor", *CRAFTS, *OF_DOORS}  # the rooms of utils/
NEVER = {  # room -> rooms that it never imports
    "doors": {"tools"},
    "tools": {"doors"},
    "dataset": {"model", "tools", "doors", "utils", *LIBRARY},
    "model": {"dataset", "tools", "doors", "utils", *LIBRARY},
    "utils": {"tools", "doors", *LIBRARY - {"system"}},
    "system": LIBRARY,
    "picture": LIBRARY - {"system"},
    "weights": LIBRARY - {"system"},
    "video": LIBRARY - {"system", "picture"},
    "background": LIBRARY - {"system", "picture"},
    "engine": LIBRARY - {"system", "picture", "weights"},
    "predictor": {"video", "background", *OF_DOORS},
    "prediction": {"evaluation", "training"},
    "evaluation": {"prediction", "training", "engine"},
    "training": {"prediction", "engine", "predictor"},
}
PACKAGES = {"paddle", "numpy", "cv2", "PIL", "tqdm", "visualdl"}  # of requirements.txt, as they are imported
DISTRIBUTIONS = {"paddle": "paddlepaddle", "cv2": "opencv-python-headless", "PIL": "pillow"}
PADDLE_LATER = ("utils.engine.backends", "utils.engine.choice", "utils.weights.load")  # import it when they need it
LONGEST, LONGEST_DOOR = 400, 150
MOST_PARAMETERS = 7
PUBLISHED = {"MattingRefine.__init__"}  # whose parameters are those of the original
MOST_EXEMPTIONS = 10  # from the linter, tests included


def modules():
    """{dotted name: path} of every file of the rooms and of the doors."""
    paths = [ROOT / f"{door}.py" for door in DOORS]
    paths += [path for top in ("dataset", "model", "utils", "tools") for path in sorted((ROOT / top).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}


MODULES = modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def room_of(name):
    """Room of a dotted name: utils.engine.tiles -> engine, tools.web.page -> tools, predict -> doors."""
    parts = name.split(".")
    if name in DOORS:
        return "doors"
    return parts[1] if parts[0] == "utils" and len(parts) > 1 and parts[1] in LIBRARY else parts[0]


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
    return ours, {module.partition(".")[0] for module in found} - {"dataset", "model", "utils", "tools", *DOORS}


def library():
    return [name for name in MODULES if room_of(name) not in ("doors", "tools")]


def test_rooms_keep_to_themselves():
    for name, tree in TREES.items():
        forbidden = {other for other in imported(name, ast.walk(tree))[0] if room_of(other) in NEVER[room_of(name)]}
        forbidden = {other for other in forbidden if room_of(other) != room_of(name)}
        assert not forbidden, f"{name} imports {sorted(forbidden)}"


def test_utils_is_a_house_of_rooms():
    flat = {path.name for path in (ROOT / "utils").glob("*.py")}
    folders = {path.name for path in (ROOT / "utils").iterdir() if path.is_dir() and list(path.glob("*.py"))}
    assert flat == {"__init__.py", "predictor.py"}
    assert folders == LIBRARY - {"predictor"}


def test_nothing_imports_in_a_circle():
    graph = {name: imported(name, ast.walk(tree))[0] for name, tree in TREES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def needs_paddle(name, known):
    """Whether a module imports Paddle, at once or later."""
    if name not in known:
        known[name] = False
        top = [node for node in TREES[name].body if isinstance(node, (ast.Import, ast.ImportFrom))]
        ours, others = imported(name, top)
        packages = {".".join(module.split(".")[:end]) for module in ours for end in range(1, module.count(".") + 1)}
        ours |= {f"{package}.__init__" for package in packages}
        known[name] = "paddle" in others or any(needs_paddle(module, known) for module in ours if module in TREES)
    return known[name]


def test_programs_prepare_paddle_before_they_import_it():
    """Or its remarks come before everything, and its kernels have been loaded with other settings."""
    known = dict.fromkeys(PADDLE_LATER, True)
    for name, path in MODULES.items():
        if "__main__" in path.read_text(encoding="utf-8") and needs_paddle(name, known):
            imports = [node for node in TREES[name].body if isinstance(node, (ast.Import, ast.ImportFrom))]
            first = next(node for node in imports if imported(name, [node])[0] or "paddle" in ast.unparse(node))
            assert ast.unparse(first) == "from utils.system.cpu import prepare", f"{name}: {ast.unparse(first)}"


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
    gpu = (ROOT / "requirements" / "gpu.txt").read_text(encoding="utf-8").splitlines()
    assert [line.replace("-gpu", "") for line in gpu if line[0] not in "#-"] == lines, (
        "gpu.txt differs in more than Paddle"
    )
    assert required == {DISTRIBUTIONS.get(package, package) for package in PACKAGES}
    used = {package for name in [*library(), *DOORS] for package in imported(name, ast.walk(TREES[name]))[1]}
    assert used >= PACKAGES


def test_the_library_knows_no_command_line():
    """utils/system/command_line.py is for doors and tools; the errors that it prints are in utils/system/errors.py."""
    users = {name for name, tree in TREES.items() if "utils.system.command_line" in imported(name, ast.walk(tree))[0]}
    assert users and {room_of(name) for name in users} <= {"doors", "tools"}


def test_only_programs_print():
    """The library returns notes or hands them to `tell`; these print for programs."""
    printing = {"utils.system.command_line", "utils.system.parser", "utils.training.run"}
    forbidden = {"print", "warnings.warn", "tqdm.write"}
    for name in library():
        calls = [node.func for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)]
        said = {ast.unparse(call) for call in calls} & forbidden
        assert name in printing or not said, f"{name} calls {sorted(said)}"


def test_files_are_short():
    for name, path in MODULES.items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= (LONGEST_DOOR if name in DOORS else LONGEST), f"{name} has {lines} lines"


def test_functions_have_few_parameters():
    for name, tree in TREES.items():
        owners = {part: node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for part in node.body}
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = sum(parameter.arg not in ("self", "cls") for parameter in given)
                called = f"{owners[node]}.{node.name}" if node in owners else node.name
                assert count <= MOST_PARAMETERS or called in PUBLISHED, f"{name}: {called} has {count} parameters"


def test_nothing_is_exempt_from_the_formatter_and_little_from_the_linter():
    comments = []
    for path in [*MODULES.values(), *(ROOT / "tests").rglob("*.py")]:
        with tokenize.open(path) as file:
            tokens = list(tokenize.generate_tokens(file.readline))
        comments += [(path, token.string) for token in tokens if token.type == tokenize.COMMENT]
    unformatted = [str(path) for path, text in comments if re.search(r"fmt:\s*(skip|off)", text)]
    assert not unformatted, f"the formatter is switched off in {', '.join(unformatted)}"
    exempt = [str(path) for path, text in comments if re.search(r"#\s*noqa", text)]
    assert len(exempt) <= MOST_EXEMPTIONS, f"{len(exempt)} exemptions from the linter: {', '.join(exempt)}"


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
