"""Shows two pictures, and notes again and again what becomes of them, the plug-in and the worker.

Each part of the notes says since when it is so, by the clock that the test reads as well. Pixels
are read only when the file `pixels` asks for them: GIMP ends a script that reads a layer in the
moment in which an undo takes it away. While the file `copy` is there, a copy of the second picture
is shown.
"""

from __future__ import annotations

import json
import time
from typing import Any

from common import OUT, Gimp, add_layer, new_image, parasite, tree
from watched import PLUG_IN, WORKERS, pids, pixel_files, processes, running

images = {name: new_image("srgb8") for name in ("one", "two")}
for name, image in images.items():
    add_layer(image, "srgb8", f"Photo {name}", picture="opaque-srgb8")
    image.clean_all()
    Gimp.Display.new(image)


def picture(image: Any) -> dict[str, Any] | None:
    """One image as it is now; None once it is gone."""
    if not image.is_valid():
        return None
    return {
        "layers": [layer.get_name() for layer in image.get_layers()],
        "receipts": [parasite(layer) for layer in image.get_layers()],
        "dirty": image.is_dirty(),
    }


def look() -> dict[str, Any]:
    """All that the test judges."""
    return {
        **{name: picture(image) for name, image in images.items()},
        "running": running(),
        "plug-ins": pids(PLUG_IN["plug-in"]),
        "runner": processes(WORKERS).get("runner"),
        "pixel files": pixel_files(),
    }


pixels: dict[str, Any] = {}
since: dict[str, float] = {}
before: dict[str, Any] = {}
copy: Any = None
while not (OUT / "stop").exists():
    if (OUT / "pixels").exists():
        pixels = {name: tree(image) for name, image in images.items() if image.is_valid()}
        (OUT / "pixels").unlink()
    if copy is None and (OUT / "copy").exists():
        copy = Gimp.Display.new(images["two"].duplicate())
    elif copy is not None and not (OUT / "copy").exists():
        copy.delete()
        copy = None
    now = {**look(), "pixels": pixels}
    since |= {part: time.monotonic() for part in now if now[part] != before.get(part, ...)}
    before = now
    (OUT / "state.part").write_text(json.dumps({**now, "since": since}), "utf-8")
    (OUT / "state.part").rename(OUT / "state.json")
    time.sleep(0.1)
