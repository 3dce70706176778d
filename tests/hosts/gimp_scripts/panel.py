"""Opens a picture and, as the menu does, the panel; notes how the procedure ended."""

from __future__ import annotations

import json

from common import OUT, Gimp, add_layer, new_image

image = new_image("srgb8")
add_layer(image, "srgb8", "Photo", picture="opaque-srgb8")
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
(OUT / "found.json").write_text(json.dumps(notes), "utf-8")
