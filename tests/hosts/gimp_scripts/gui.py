"""Opens a picture in a window and notes its layers again and again, until the test has enough."""

from __future__ import annotations

import json
import time

from common import OUT, Gimp, add_layer, new_image, parasite, tree

image = new_image("srgb8")
add_layer(image, "srgb8", "Photo", picture="opaque-srgb8")
image.clean_all()
Gimp.Display.new(image)
while not (OUT / "stop").exists():
    state = {
        "layers": tree(image),
        "receipts": [parasite(layer) for layer in image.get_layers()],
        "dirty": image.is_dirty(),
        "parasites": [one for one in image.get_parasite_list() if one.startswith("nss")],
        "images": [one.get_width() for one in Gimp.get_images()],
    }
    (OUT / "state.part").write_text(json.dumps(state), "utf-8")
    (OUT / "state.part").rename(OUT / "state.json")
    time.sleep(0.2)
