"""Docstrings say what a documentation tool can read: one parameter a line, each of them real."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FILES = sorted(file for room in ("isimed", "pages", "benchmarks") for file in (REPOSITORY / room).rglob("*.py"))
ENTRY = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*): ")
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def documented(tree: ast.Module) -> Iterator[tuple[Documented, list[str]]]:
    """What has a section of parameters or attributes, and that section's entries with their continuation."""
    for node in ast.walk(tree):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            section = re.search(r"^(?:Args|Attributes):\n((?:    .*\n?)+)", text, re.MULTILINE)
            if section:
                yield node, re.split(r"\n    (?! )", section.group(1)[4:].rstrip())
            else:
                assert not re.match(r"(?:Args|Attributes):", text), f"line {node.lineno}: a sentence comes first"


def names_of(node: Documented) -> set[str]:
    if isinstance(node, ast.ClassDef):
        named = {
            one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        }
        members = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
        parameters = names_of(members["__init__"]) if "__init__" in members else set()
        assigned = {
            one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store)
        }
        return named | set(members) | parameters | assigned
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {one.arg for one in every if one}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(REPOSITORY).as_posix())
def test_parameters_stand_one_a_line_and_are_real(file: Path) -> None:
    for node, entries in documented(ast.parse(file.read_text(encoding="utf-8"))):
        names = names_of(node)
        for entry in entries:
            said = ENTRY.match(entry)
            assert said, f"line {node.lineno}, {node.name}: {entry!r} is not `name: text`"
            assert {name.lstrip("*") for name in said.group(1).split(", ")} <= names, (
                f"{node.name} has no {said.group(1)}"
            )
            second = [name for name in re.findall(r"[.;]\s+(\w+)(?:, \w+)*: ", entry) if name in names]
            assert not second, f"{node.name}: {second[0]} belongs on a line of its own"
