"""The house keeps its order: each floor imports only floors below it, and no room is too large."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "raidsim"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

FLOORS = {
    "errors": -3,
    "tables": -2,
    "profiles": -1,
    "sim": 0,
    "raid6": 1,
    "dmaengine": 2,
    "disk": 2,
    "cpu": 2,
    "machine": 2,
    "async_tx": 3,
    "md": 4,
    "array": 5,
    "trace": 5,
    "bench": 6,
    "control": 6,
    "explain": 6,
    "nbd": 6,
    "scenario": 7,
    "cli": 8,
    "tui": 7,
    # The doors of the house, and the kits for people who build engines and disks.
    "": 9,
    "__main__": 9,
    "testing": 9,
}

# Upward names that only annotations use, and why there is no other way.
UPWARD_ANNOTATIONS = {
    # Drivers and channels are part of a machine and are handed it, as C's are handed a struct.
    ("raidsim.dmaengine", "raidsim.machine"),
    # So are disks.
    ("raidsim.disk", "raidsim.machine"),
    ("raidsim", "raidsim.machine"),
}


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def room(name):
    return [*name.split("."), ""][1]


def imports(path):
    """(imported module, whether only annotations see it) of a module."""
    tree = ast.parse(path.read_text())
    name = module_name(path)
    typing_only = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            typing_only.update(id(child) for part in node.body for child in ast.walk(part))
    for node in ast.walk(tree):
        annotation = id(node) in typing_only
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, annotation
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}: relative import"
            if node.module == "raidsim":
                for alias in node.names:
                    if alias.name != "__version__":
                        yield f"raidsim.{alias.name.lower()}", annotation
            elif node.module:
                yield node.module, annotation


def own_imports(path):
    return [(name, typing) for name, typing in imports(path) if name.split(".")[0] == "raidsim"]


@pytest.fixture(params=MODULES, ids=module_name)
def module(request):
    return request.param


def test_every_room_has_its_floor(module):
    assert room(module_name(module)) in FLOORS


def test_imports_only_go_down(module):
    importer = module_name(module)
    floor = FLOORS[room(importer)]
    for imported, typing_only in own_imports(module):
        if room(imported) == room(importer):
            continue
        if (
            typing_only
            and (f"raidsim.{room(importer)}".rstrip("."), imported) in UPWARD_ANNOTATIONS
        ):
            continue
        same_floor = FLOORS[room(imported)] == floor
        allowed = FLOORS[room(imported)] < floor or (same_floor and importer == "raidsim.machine")
        assert allowed, f"{importer} imports {imported}"


def test_no_room_is_too_large(module):
    assert len(module.read_text().splitlines()) <= MAX_LINES


def test_every_module_says_what_it_is(module):
    assert ast.get_docstring(ast.parse(module.read_text()))


def test_only_the_command_line_prints(module):
    if room(module_name(module)) in {"cli", "tui"}:
        return
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert "print" not in calls


def test_no_path_of_one_machine_is_built_in(module):
    assert not re.search(r"/work/|/home/|/root/", module.read_text())


def test_the_exceptions_are_all_needed():
    used = {
        (f"raidsim.{room(module_name(path))}".rstrip("."), imported)
        for path in MODULES
        for imported, typing_only in own_imports(path)
        if typing_only
    }
    assert used >= UPWARD_ANNOTATIONS
