"""Takes the pictures of Krita for the documentation: `krita_pictures.py PHOTO [FOLDER]`.

Shows the real catalogue, so that the sizes in the pictures are true; downloads nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from editors import ensure
from pictured import cut, targets
from test_krita import EDITOR, staged

# The part of the screen that each picture shows: rows, columns.
PARTS = {
    "menu": ("krita-menu.png", slice(5, 605), slice(0, 840)),
    "result": ("krita-docker.png", slice(5, 924), slice(0, 1280)),
    "consent": ("krita-consent.png", slice(5, 924), slice(0, 1280)),
}


def main() -> None:
    """Start Krita, have the probe photograph it, and cut the pictures out."""
    photo, target = targets(sys.argv[1:])
    folder = Path(tempfile.mkdtemp(prefix="krita-pictures-"))
    try:
        (folder / "pictures").mkdir()
        shutil.copyfile(photo, folder / "pictures" / "photo.png")
        with staged(ensure(EDITOR), folder) as stage:
            found, _, profile = stage.start("pictures", {}, {"HF_HUB_OFFLINE": "1"})
        if "error" in found:
            raise SystemExit(found["error"])
        for step, (name, rows, columns) in PARTS.items():
            cut(profile.tmp / "probe" / f"{step}.png", target / name, rows, columns)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
