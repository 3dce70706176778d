"""Takes the pictures of Krita for the documentation: `python tests/hosts/krita_pictures.py PHOTO`.

Shows the real catalogue, so that the sizes in the pictures are true; downloads nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from editors import ensure
from test_krita import EDITOR, ROOT, staged

TARGETS = {"menu": "krita-menu.png", "receipts": "krita-docker.png"}


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="krita-pictures-"))
    try:
        (folder / "pictures").mkdir()
        shutil.copyfile(sys.argv[1], folder / "pictures" / "photo.png")
        with staged(ensure(EDITOR), folder) as stage:
            found, _, profile = stage.start("pictures", {}, {"HF_HUB_OFFLINE": "1"})
        if "error" in found:
            raise SystemExit(found["error"])
        for step, name in TARGETS.items():
            target = ROOT / "docs" / "pictures" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(profile.tmp / "probe" / f"{step}.png", target)
            print(target, target.stat().st_size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
