"""The catalogues of texts: complete, in step with the sources, and nothing shown is unmarked."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_core.bridge import errors, language

ROOT = Path(__file__).resolve().parent.parent
_SPEC = importlib.util.spec_from_file_location("nss_words", ROOT / "packaging" / "words.py")
assert _SPEC and _SPEC.loader
words = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(words)

LANGUAGES = sorted(path.stem for path in words.LOCALE.glob("*.po"))
SOURCES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    if name.startswith(words.SOURCES)
]


@pytest.fixture(scope="module")
def sources():
    return words.extracted()


def strings(value) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def places(text: str) -> set[str]:
    return {match.group() for match in language.PLACE.finditer(text)}


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_text_is_translated_and_none_is_stale(name, sources):
    catalogue = words.load(words.LOCALE / f"{name}.po")
    there = {message.id for message in catalogue if message.id}
    wanted = {message.id for message in sources if message.id}
    assert there == wanted, "run: make words"
    for message in catalogue:
        if not message.id:
            continue
        singular, *plural = strings(message.id)
        translated = strings(message.string)
        assert len(translated) == (catalogue.num_plurals if plural else 1), message.id
        for text in translated:
            assert text, message.id
            assert places(text) == places((plural or [singular])[0]), message.id
            assert (text[:1] == " ", text[-1:] == " ") == (
                singular[:1] == " ",
                singular[-1:] == " ",
            ), message.id
            assert text.count("<") == singular.count("<"), message.id
        # One letter of a label is its key.
        assert all(text.count("_") == singular.count("_") for text in translated), message.id


@pytest.mark.parametrize("name", LANGUAGES)
def test_what_is_shipped_is_what_was_translated(name):
    path = words.LOCALE / f"{name}.po"
    assert path.with_suffix(".mo").read_bytes() == words.compiled(words.load(path)), (
        "run: make words"
    )
    assert path.read_bytes() == words.written(words.load(path)), "run: make words"


def test_german_is_there():
    assert language.languages()[:2] == ["en", "de"]


# What shows its first text to the user, by the name of the function or of the keyword.
_SHOWN = {
    *("setText", "setTitle", "setToolTip", "setWindowTitle", "setPlaceholderText", "setLabel"),
    *("setAccessibleName", "setAccessibleDescription", "setStatusTip", "setWhatsThis", "tell"),
    *("QLabel", "QPushButton", "QCheckBox", "QGroupBox", "QRadioButton", "QAction", "addRow"),
    *("addItem", "addTab", "setHeaderLabels", "setFormat"),
    *("set_text", "set_label", "set_title", "set_tooltip_text", "set_placeholder_text"),
    *("set_markup", "set_ok_label", "set_menu_label", "new_with_label", "new_with_mnemonic"),
    *("progress_set_text", "progress_init", "message", "append_page"),
}
_SHOWN_KEYWORDS = {"title", "label", "help", "tooltip_text", "placeholder_text", "description"}
_ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.NssError)
} - {"NssError"}
# Texts that are names, marks or parts of the format, in whatever language.
_NAMES = re.compile(r"(NSS|GB|MB|%|px|°|[^A-Za-z]*|[A-Z]{2,}\S*|\S*[_/.:|#]\S*|[a-z-]+)")


def unmarked(file: Path) -> Iterator[str]:
    """Literals that a call shows or raises without their being marked."""
    tree = ast.parse(file.read_text("utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        function = node.func.id if isinstance(node.func, ast.Name) else function
        if function in _SHOWN or function in _ERRORS:
            for argument in node.args:
                yield from literals(argument, file)
        for keyword in node.keywords:
            if keyword.arg in _SHOWN_KEYWORDS and function not in ("add_argument", "Tool"):
                yield from literals(keyword.value, file)


def literals(node: ast.expr, file: Path) -> Iterator[str]:
    if isinstance(node, ast.Call):
        return
    if isinstance(node, (ast.BinOp, ast.IfExp, ast.Tuple, ast.List)):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from literals(child, file)
        return
    if isinstance(node, ast.JoinedStr):
        text = "".join(str(v.value) for v in node.values if isinstance(v, ast.Constant))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    else:
        return
    text = re.sub(r"<[^>]*>", "", text)
    if not all(_NAMES.fullmatch(word) for word in text.split()) or (
        " " in text.strip() and re.search("[a-z]{2}", text)
    ):
        yield f"{file.relative_to(ROOT)}:{node.lineno}: {text!r}"


def test_no_text_is_shown_that_is_not_marked():
    found = [text for file in SOURCES for text in unmarked(file)]
    assert not found, "mark these with _() or ngettext()"


def test_no_function_uses_the_mark_s_name_for_something_else():
    for file in SOURCES:
        tree = ast.parse(file.read_text("utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                nodes = list(ast.walk(function))
                kinds = {type(n.ctx) for n in nodes if isinstance(n, ast.Name) and n.id == "_"}
                kinds |= {ast.Store for n in nodes if isinstance(n, ast.arg) and n.arg == "_"}
                assert kinds != {ast.Load, ast.Store}, f"{file}:{function.lineno}"


def test_no_mark_is_inside_a_formatted_string():
    """Where those who extract the texts do not see it."""
    for file in SOURCES:
        for text in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(text, ast.JoinedStr):
                marks = [n for n in ast.walk(text) if isinstance(n, ast.Name) and n.id == "_"]
                assert not marks, f"{file}:{text.lineno}"
