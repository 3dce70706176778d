"""Builds what users install: the Krita plug-in, the GIMP plug-in, and the wheel of the worker.

`python packaging/build.py --out DIR` writes nss_krita.zip, nss_gimp.zip and the wheel into DIR
(dist where it is left out), the bill of materials, and SHA256SUMS of all. The same sources give the
same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "packaging")]

import sbom  # noqa: E402

from shared_core.install import plugins, wheels  # noqa: E402

_EPOCH = (1980, 1, 1, 0, 0, 0)
_PLAIN, _EXECUTABLE, _FOLDER = 0o100644, 0o100755, 0o040755
SUMS = "SHA256SUMS"
ZIPS = ("nss_krita.zip", "nss_gimp.zip")


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


def main() -> None:
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder to write into")
    out: Path = parser.parse_args().out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    wheel = wheels.built(ROOT)
    (out / wheel.name).write_bytes(wheel.body)
    write_zip(out / "nss_krita.zip", plugins.krita(wheel), frozenset())
    write_zip(out / "nss_gimp.zip", plugins.gimp(wheel), frozenset({plugins.GIMP_MAIN}))
    built = {name: (out / name).read_bytes() for name in ZIPS} | {wheel.name: wheel.body}
    (out / sbom.NAME).write_bytes(sbom.bill(built))
    lines = []
    for name in sorted((*built, sbom.NAME)):
        body = (out / name).read_bytes()
        lines.append(f"{hashlib.sha256(body).hexdigest()}  {name}\n")
        print(f"{out / name} ({len(body):,} bytes)")
    (out / SUMS).write_text("".join(lines), "ascii")


if __name__ == "__main__":
    main()
