"""Takes the pictures of Krita for the documentation: `python tests/hosts/krita_pictures.py PHOTO`.

Shows the real catalogue, so that the sizes in the pictures are true; downloads nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import cv2
from editors import ensure
from test_krita import EDITOR, ROOT, staged

# The part of the screen that each picture shows: rows, columns.
TARGETS = {
    "menu": ("krita-menu.png", slice(0, 600), slice(0, 840)),
    "receipts": ("krita-docker.png", slice(0, 1000), slice(660, 1600)),
}


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="krita-pictures-"))
    try:
        (folder / "pictures").mkdir()
        shutil.copyfile(sys.argv[1], folder / "pictures" / "photo.png")
        with staged(ensure(EDITOR), folder) as stage:
            found, _, profile = stage.start("pictures", {}, {"HF_HUB_OFFLINE": "1"})
        if "error" in found:
            raise SystemExit(found["error"])
        for step, (name, rows, columns) in TARGETS.items():
            target = ROOT / "docs" / "pictures" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            screen = cv2.imread(str(profile.tmp / "probe" / f"{step}.png"))
            cv2.imwrite(str(target), screen[rows, columns], [cv2.IMWRITE_PNG_COMPRESSION, 9])
            print(target, target.stat().st_size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
