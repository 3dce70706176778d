"""The worker's own wheel, which plug-ins carry: built from a checkout, or packed anew.

An installed package does not keep the wheel that it came in, but it keeps all that was in it.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _
from .plugins import PROJECT, Wheel

_EPOCH = (1980, 1, 1, 0, 0, 0)
# What an installer adds to a package.
_ADDED = ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD")


def own() -> Wheel:
    """The wheel of the package that is running.

    Raises ``CouldNotBeDone`` where it is neither installed nor a checkout.
    """
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():
        return built(checkout)
    try:
        return packed(importlib.metadata.distribution(PROJECT))
    except importlib.metadata.PackageNotFoundError:
        raise CouldNotBeDone(
            _(
                "This NSS was not installed as a package, so it cannot be put into a plug-in. "
                "Install it with pip, or take nss_krita.zip or nss_gimp.zip."
            )
        ) from None


def built(checkout: Path) -> Wheel:
    """The wheel of a checkout; its timestamps are fixed, so the same sources give the same bytes.

    Raises ``CouldNotBeDone`` with the builder's words when it cannot be built.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
            cwd=checkout,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CouldNotBeDone(
                _(
                    "The wheel could not be built:\n{stdout}{stderr}",
                    stdout=done.stdout,
                    stderr=done.stderr,
                )
            )
        (file,) = Path(folder).glob("*.whl")
        return Wheel(file.name, file.read_bytes())


def packed(installed: importlib.metadata.Distribution) -> Wheel:
    """A wheel with the same contents as the one that was installed."""
    files: dict[str, bytes] = {}
    for file in installed.files or ():
        name = file.as_posix()
        # Programs outside are made from entry points, and byte code from the modules.
        added = file.hash is None or ".." in file.parts or file.name in _ADDED
        if not added and file.suffix != ".pyc":
            files[name] = Path(str(installed.locate_file(file))).read_bytes()
    (metadata,) = (name for name in files if name.endswith(".dist-info/METADATA"))
    folder = metadata.rpartition("/")[0]
    lines = [f"{name},sha256={_hash(body)},{len(body)}" for name, body in sorted(files.items())]
    files[f"{folder}/RECORD"] = "\n".join([*lines, f"{folder}/RECORD,,", ""]).encode()
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return Wheel(f"{folder.removesuffix('.dist-info')}-py3-none-any.whl", body.getvalue())


def _hash(body: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest())
    return digest.rstrip(b"=").decode("ascii")
