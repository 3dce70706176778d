"""What the plug-ins consist of: an adapter, the bridge with what it needs, and the worker's wheel.

One place for the zips that `packaging/build.py` makes and for what `nss install` puts into place.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from .. import bridge
from ..bridge import language
from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _
from .krita_files import action_file, manual

KRITA, GIMP = "nss_krita", "nss"
PROJECT = "nss-krita-gimp"


@dataclass(frozen=True)
class Wheel:
    """The worker as a wheel: the name of its file, and its bytes."""

    name: str
    body: bytes


def source(name: str) -> Path:
    """The folder or file ``name`` of the plug-ins' sources: in the package, else in the checkout.

    Raises ``CouldNotBeDone`` where it is in neither.
    """
    package = Path(__file__).resolve().parent.parent
    above = {KRITA: "nss_krita", GIMP: "gimp_plugin/nss"}.get(name, name)
    for found in (package / "_plugins" / name, package.parent / above):
        if found.exists():
            return found
    raise CouldNotBeDone(
        _("The plug-ins' files are missing beside {package}. Install NSS again.", package=package)
    )


def krita(wheel: Wheel) -> dict[str, bytes]:
    """Krita's plug-in as files, as its importer takes them."""
    adapter = source(KRITA)
    files = _adapter(adapter, KRITA, wheel)
    desktop = (adapter / f"{KRITA}.desktop").read_bytes()
    files[f"{KRITA}/Manual.html"] = manual().encode("utf-8")
    for name in language.languages()[1:]:
        files[f"{KRITA}/Manual.{name}.html"] = manual(name).encode("utf-8")
        desktop += f"X-Krita-Manual[{name}]=Manual.{name}.html\n".encode()
    files[f"{KRITA}.desktop"] = desktop
    files[f"{KRITA}.action"] = action_file().encode("utf-8")
    return files


def gimp(wheel: Wheel) -> dict[str, bytes]:
    """The files of GIMP's plug-in, all in one folder."""
    return _adapter(source(GIMP), GIMP, wheel)


GIMP_MAIN = f"{GIMP}/nss.py"


def _adapter(folder: Path, name: str, wheel: Wheel) -> dict[str, bytes]:
    files = {f"{name}/{place}": body for place, body in _modules(folder).items()}
    files[f"{name}/LICENSE"] = source("LICENSE").read_bytes()
    files[f"{name}/worker/{wheel.name}"] = wheel.body
    return files | _bridge(name)


def _modules(folder: Path, ending: str = "*.py") -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob(ending)
        if "__pycache__" not in file.parts
    }


def _bridge(name: str) -> dict[str, bytes]:
    """The bridge with its locks and the texts of all languages, and appdirs inside."""
    folder = Path(bridge.__file__).parent
    requirements = folder / "setup" / "requirements"
    files = {f"{name}/bridge/{place}": body for place, body in _modules(folder).items()}
    for place, body in _modules(requirements, "*.*").items():
        files[f"{name}/bridge/setup/requirements/{place}"] = body
    for place, body in _modules(folder / "locale", "*.mo").items():
        files[f"{name}/bridge/locale/{place}"] = body
    vendored = f"{name}/bridge/_vendor"
    files[f"{vendored}/__init__.py"] = b'"""Libraries that an editor\'s Python lacks."""\n'
    appdirs = importlib.metadata.distribution("appdirs")
    wanted = {"appdirs.py": "appdirs.py", "LICENSE.txt": "appdirs-LICENSE.txt"}
    for file in appdirs.files or ():
        if file.name in wanted:
            body = Path(str(appdirs.locate_file(file))).read_bytes()
            files[f"{vendored}/{wanted.pop(file.name)}"] = body
    if wanted:
        raise CouldNotBeDone(
            _(
                "appdirs {version} is here without {names}.",
                version=appdirs.version,
                names=", ".join(wanted),
            )
        )
    return files
