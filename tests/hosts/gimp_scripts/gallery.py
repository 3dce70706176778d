"""Opens the photo in a window for the pictures of the documentation, and notes what tools added.

The folder of results has the wishes: `hide` hides the photo, `ask` holds the name of a tool's
procedure, whose dialog is then shown until it is closed, `stop` ends the script.
"""

from __future__ import annotations

import json
import time

from common import OUT, PICTURES, Gimp, Gio

photo = Gio.File.new_for_path(str(PICTURES / "photo.png"))
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, photo)
(source,) = image.get_layers()
source.set_name("Photo")
# The window is to have a name in its title.
image.set_file(Gio.File.new_for_path("/tmp/astronaut.xcf"))
image.clean_all()
Gimp.Display.new(image)


def ask(tool: str) -> None:
    """What the tool's menu entry does."""
    procedure = Gimp.get_pdb().lookup_procedure(f"plug-in-nss-{tool}")
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.INTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", [source])
    procedure.run(config)


while not (OUT / "stop").exists():
    if (OUT / "ask").exists():
        tool = (OUT / "ask").read_text("utf-8")
        (OUT / "ask").unlink()
        ask(tool)
    if (OUT / "hide").exists() and source.get_visible():
        source.set_visible(False)
        Gimp.displays_flush()
    state = {
        "layers": len(image.get_layers()),
        "words": len([one for one in image.get_parasite_list() if one.startswith("nss")]),
        "hidden": not source.get_visible(),
    }
    (OUT / "state.part").write_text(json.dumps(state), "utf-8")
    (OUT / "state.part").rename(OUT / "state.json")
    time.sleep(0.1)
