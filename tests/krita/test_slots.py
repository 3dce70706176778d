"""No exception of the adapter leaves a slot: Krita shows a modal dialog of it, or ends."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "nss_krita"
MODULES = sorted(FOLDER.glob("*.py"))
# What Qt and Krita call by themselves.
CALLED = ("Event", "canvasChanged")


def functions(module: ast.Module) -> dict[str, ast.FunctionDef]:
    """All functions of a module, by name."""
    return {node.name: node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}


def slots(module: ast.Module) -> Iterator[ast.expr]:
    """What a module connects to signals and timers."""
    for node in ast.walk(module):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in ("connect", "singleShot"):
            yield node.args[-1 if called.attr == "singleShot" else 0]


def is_safe(slot: ast.expr, known: dict[str, ast.FunctionDef]) -> bool:
    """Whether a slot keeps its exceptions, or hands on to one that does."""
    if isinstance(slot, ast.Lambda) and isinstance(slot.body, ast.Call):
        slot = slot.body.func
    elif isinstance(slot, ast.Call) and ast.unparse(slot.func) == "partial":
        slot = slot.args[0]
    name = slot.attr if isinstance(slot, ast.Attribute) else ast.unparse(slot)
    # What is not of this module is another signal, or a method of Qt's own.
    return keeps(known[name]) if name in known else isinstance(slot, ast.Attribute)


def keeps(function: ast.FunctionDef) -> bool:
    """Whether all of it is guarded, or in a ``try``."""
    guards = [ast.unparse(one) for one in function.decorator_list]
    return "guarded" in guards or isinstance(function.body[0], ast.Try)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_every_slot_keeps_its_exceptions(file: Path) -> None:
    module = ast.parse(file.read_text("utf-8"))
    known = functions(module)
    found = [
        f"{slot.lineno}: {ast.unparse(slot)}" for slot in slots(module) if not is_safe(slot, known)
    ]
    found += [
        f"{function.lineno}: {name}"
        for name, function in known.items()
        if name.endswith(CALLED) and not keeps(function)
    ]
    assert found == []
