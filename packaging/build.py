"""Builds what users install: the Krita plug-in, the GIMP plug-in, and the wheel of the worker.

`python packaging/build.py --out DIR` writes nss_krita.zip, nss_gimp.zip and the wheel into DIR
(dist where it is left out). The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import html
import importlib.metadata
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from shared_core import bridge  # noqa: E402
from shared_core.bridge import toolbox  # noqa: E402

KRITA, GIMP = "nss_krita", "nss"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PLAIN, _EXECUTABLE, _FOLDER = 0o100644, 0o100755, 0o040755
# Krita reads the flags as binary digits: 1 is "a picture is open".
_NEEDS_PICTURE = "1"


def bridge_files(folder: str) -> dict[str, bytes]:
    """The bridge with appdirs inside, as files below ``folder``/bridge."""
    source = Path(bridge.__file__).parent
    files = {
        f"{folder}/bridge/{file.relative_to(source).as_posix()}": file.read_bytes()
        for file in source.rglob("*.py")
        if "__pycache__" not in file.parts
    }
    vendored = f"{folder}/bridge/_vendor"
    files[f"{vendored}/__init__.py"] = b'"""Libraries that an editor\'s Python lacks."""\n'
    appdirs = importlib.metadata.distribution("appdirs")
    for file in appdirs.files or ():
        if file.name in ("appdirs.py", "LICENSE.txt"):
            name = "appdirs.py" if file.name == "appdirs.py" else "appdirs-LICENSE.txt"
            files[f"{vendored}/{name}"] = Path(str(appdirs.locate_file(file))).read_bytes()
    missing = {"appdirs.py", "appdirs-LICENSE.txt"} - {Path(name).name for name in files}
    if missing:
        raise SystemExit(f"appdirs {appdirs.version} is installed without {', '.join(missing)}.")
    return files


def python_files(source: Path, folder: str) -> dict[str, bytes]:
    """The modules of an adapter as files below ``folder``, with the licence."""
    files = {
        f"{folder}/{file.relative_to(source).as_posix()}": file.read_bytes()
        for file in source.rglob("*.py")
        if "__pycache__" not in file.parts
    }
    files[f"{folder}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    return files


def action_file() -> str:
    """Krita's description of the menu entries, which makes their shortcuts configurable."""
    entries = [_action("nss_menu", "NSS", "", "0")]
    entries += [
        _action(f"nss_{t.id.replace('-', '_')}", f"{t.title}…", t.help, _NEEDS_PICTURE)
        for t in toolbox.TOOLS
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ActionCollection version="2" name="Scripts">\n'
        '  <Actions category="Scripts">\n    <text>NSS</text>\n'
        + "".join(entries)
        + "  </Actions>\n</ActionCollection>\n"
    )


def _action(name: str, text: str, help_text: str, flags: str) -> str:
    fields = {
        "icon": "",
        "text": text,
        "whatsThis": help_text,
        "toolTip": help_text,
        "iconText": text,
        "activationFlags": flags,
        "activationConditions": "0",
        "shortcut": "",
        "isCheckable": "false",
        "statusTip": help_text,
    }
    lines = "".join(f"      <{key}>{escape(value)}</{key}>\n" for key, value in fields.items())
    return f'    <Action name="{name}">\n{lines}    </Action>\n'


# What Krita makes of each kind of result, and what a selection means to the tool.
_RESULTS = {
    toolbox.Returns.PIXELS: "The result is a new layer above.",
    toolbox.Returns.MASK: "The result is a new layer above with a transparency mask, the cut "
    "pixels, or a selection, as you choose.",
    toolbox.Returns.SELECTION: "The result is a selection.",
    toolbox.Returns.BELOW: "The result is a new layer below, of the canvas' size; under the lowest "
    "layer of a group it is one above in the blending mode Behind, which looks the same.",
    toolbox.Returns.LAYER: "The result is a new layer above, of the canvas' size.",
    toolbox.Returns.SCALED: "The result opens as a new picture.",
    toolbox.Returns.TEXT: "The result is words in the panel, to read and to copy.",
}
_SELECTIONS = {
    toolbox.Selects.LIMITS: "A selection limits the change.",
    toolbox.Selects.NEEDED: "It changes what is selected, and needs a selection.",
    toolbox.Selects.HINT: "A selection shows it what you mean.",
    toolbox.Selects.IGNORED: "A selection does not count.",
}


def manual() -> str:
    """The page that Krita's Python Plugin Manager shows."""
    parts = [
        "<!DOCTYPE html>\n<html><head><meta charset='utf-8'><title>NSS</title></head><body>",
        "<h1>NSS</h1>",
        "<p>Select one or more layers and choose a tool from <b>Filter ▸ NSS</b>. The panel "
        "<b>NSS</b> opens and says what will be done before you press <b>Apply</b>: with a real "
        "neural model or by a classical algorithm, in how many seconds, and why, and where the "
        "result will go. It comes in one undo step; your own layers are never changed.</p>",
        "<p>Every result has a receipt: which path made its pixels, with which model, in what "
        "time. Receipts are saved in the .kra file and listed in the panel. With <b>Only models "
        "that allow commercial use</b> ticked, models whose licence forbids it are left out.</p>",
        "<p>A grey picture shows grey alone: a tool that adds colour opens its result as a new "
        "picture. Krita 5.2 needs two undo steps to replace a selection that was there "
        "before.</p>",
        "<p>Nothing is uploaded, and no model is downloaded before you tick the box that names "
        "it. The work is done by a program of its own beside Krita; if the panel says that it is "
        "not set up, run the installer again.</p>",
    ]
    for tool in toolbox.TOOLS:
        words = " ".join((tool.help, _RESULTS[tool.returns], _SELECTIONS[tool.selects])).strip()
        parts.append(f"<h2>{_html(tool.title)}</h2><p>{_html(words)}</p><ul>")
        for parameter in tool.parameters:
            values = _values(parameter)
            parts.append(
                f"<li><b>{_html(parameter.title)}</b> ({_html(values)}): "
                f"{_html(parameter.help)}</li>"
            )
        parts.append("</ul>")
    return "\n".join([*parts, "</body></html>", ""])


def _html(text: str) -> str:
    return html.escape(text, quote=False)


def _values(parameter: toolbox.Parameter) -> str:
    if parameter.kind is toolbox.Kind.CHOICE:
        return ", ".join(parameter.choice_titles or parameter.choices)
    return parameter.span()


def write_zip(path: Path, files: Mapping[str, bytes], executable: frozenset[str]) -> None:
    """A zip with an entry for every folder, without which Krita's importer finds no plug-in."""
    folders = {
        parent.as_posix() + "/"
        for name in files
        for parent in Path(name).parents
        if parent != Path(".")
    }
    entries: dict[str, bytes] = {**dict.fromkeys(folders, b""), **files}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            mode = _FOLDER if name.endswith("/") else _PLAIN
            info.external_attr = (_EXECUTABLE if name in executable else mode) << 16
            if name.endswith("/"):
                info.external_attr |= 0x10
            else:
                info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, entries[name])


def build_krita(out: Path) -> Path:
    """The zip for Krita's *Import Python Plugin from File*."""
    source = ROOT / "nss_krita"
    files = python_files(source, KRITA) | bridge_files(KRITA)
    files[f"{KRITA}/Manual.html"] = manual().encode("utf-8")
    files[f"{KRITA}.desktop"] = (source / f"{KRITA}.desktop").read_bytes()
    files[f"{KRITA}.action"] = action_file().encode("utf-8")
    target = out / "nss_krita.zip"
    write_zip(target, files, frozenset())
    return target


def build_gimp(out: Path) -> Path:
    """The zip whose one folder goes into GIMP's plug-ins folder."""
    files = python_files(ROOT / "gimp_plugin" / "nss", GIMP) | bridge_files(GIMP)
    target = out / "nss_gimp.zip"
    write_zip(target, files, frozenset({f"{GIMP}/nss.py"}))
    return target


def build_wheel(out: Path) -> Path:
    """The worker and the command line as a wheel."""
    before = set(out.glob("*.whl"))
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The wheel could not be built:\n{done.stdout}{done.stderr}")
    wheels = set(out.glob("*.whl"))
    return max(wheels - before or wheels, key=lambda file: file.stat().st_mtime)


BUILDERS = {"krita": build_krita, "gimp": build_gimp, "wheel": build_wheel}


def main() -> None:
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder to write into")
    parser.add_argument("parts", nargs="*", metavar="PART", help="krita, gimp, wheel (all)")
    chosen = parser.parse_args()
    out: Path = chosen.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    unknown = set(chosen.parts) - set(BUILDERS)
    if unknown:
        parser.error(f"unknown part {min(unknown)}; choose from {', '.join(BUILDERS)}")
    for part in chosen.parts or BUILDERS:
        file = BUILDERS[part](out)
        print(f"{file} ({file.stat().st_size:,} bytes, crc {zlib.crc32(file.read_bytes()):08x})")


if __name__ == "__main__":
    main()
