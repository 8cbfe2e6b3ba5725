"""The README's picture of the house is the tree, rooms stay small, and a module's name says which one it is."""

import re
from collections import Counter
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from tests.conftest import REPOSITORY

MOST_MODULES = 15  # more is a sign that a room holds two ideas
SAME_IDEA_AT_TWO_LEVELS = {"compare", "distance", "errors", "export", "files", "labels", "panels", "plan", "report"}
ENTRANCES = ("isimed/cli", "pages")  # named after what they open


def drawn_folders() -> set[str]:
    """The folders of the picture, from the repository's root."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    picture = re.search(r"```\n(app\.py .*?)```", readme, re.DOTALL)
    assert picture
    found, above = set(), [""]
    for line in picture.group(1).splitlines():
        name = re.match(r"( *)([\w.]+/)", line)
        if name:
            above[len(name.group(1)) // 2 + 1 :] = [above[len(name.group(1)) // 2] + name.group(2)]
            found.add(above[-1].rstrip("/"))
    return found


def rooms() -> dict[str, list[Path]]:
    """Folder of the package -> its modules."""
    modules = [file for file in (REPOSITORY / "isimed").rglob("*.py") if file.name != "__init__.py"]
    found: dict[str, list[Path]] = {}
    for file in modules:
        found.setdefault(file.parent.relative_to(REPOSITORY).as_posix(), []).append(file)
    return found


def test_the_picture_of_the_house_is_the_tree() -> None:
    drawn = drawn_folders()
    assert {folder for folder in drawn if not (REPOSITORY / folder).is_dir()} == set()
    assert set(rooms()) - drawn == set()


def test_no_room_is_crowded() -> None:
    assert {room: len(modules) for room, modules in rooms().items() if len(modules) > MOST_MODULES} == {}


def test_a_name_stands_for_one_module() -> None:
    names = Counter(file.stem for room, modules in rooms().items() if room not in ENTRANCES for file in modules)
    assert {name for name, count in names.items() if count > 1} <= SAME_IDEA_AT_TWO_LEVELS


def test_links_of_the_documents_lead_somewhere() -> None:
    documents = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]
    missing = [
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert missing == []


def test_what_the_documents_import_is_there() -> None:
    """Rooms move; an example that a reader copies has to find them."""
    statement = re.compile(r"^ *from (isimed[\w.]*) import ([\w, ]+)", re.MULTILINE)
    documents = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]
    named = [(file.name, *found) for file in documents for found in statement.findall(file.read_text(encoding="utf-8"))]
    assert named
    missing = [
        f"{document}: {module}.{name}"
        for document, module, names in named
        for name in map(str.strip, names.split(","))
        if not (hasattr(import_module(module), name) or find_spec(f"{module}.{name}"))
    ]
    assert missing == []
