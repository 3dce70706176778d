"""Opens a picture and, as the menu does, the panel; notes how the procedure ended.

Where a user's own models may have been added, a tool runs afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path

from common import OUT, Gimp, above, add_layer, call, dump, new_image, parasite

image = new_image("srgb8")
photo = add_layer(image, "srgb8", "Photo", picture="opaque-srgb8")
image.clean_all()
Gimp.Display.new(image)
procedure = Gimp.get_pdb().lookup_procedure("plug-in-nss-panel")
config = procedure.create_config()
config.set_property("image", image)
notes = {}
for mode in (Gimp.RunMode.NONINTERACTIVE, Gimp.RunMode.INTERACTIVE, Gimp.RunMode.NONINTERACTIVE):
    config.set_property("run-mode", mode)
    result = procedure.run(config)
    said = result.index(1) if result.length() > 1 else ""
    notes.setdefault("runs", []).append([result.index(0).value_nick, said])
if Path("/own").is_dir():
    notes["own"] = call("denoise", image, [photo])
    made = above(image, photo)
    notes["own"] |= {
        "name": made.get_name(),
        "receipt": parasite(made),
        "source": dump(photo, "own-source"),
        "result": dump(made, "own-result"),
    }
(OUT / "found.json").write_text(json.dumps(notes), "utf-8")
