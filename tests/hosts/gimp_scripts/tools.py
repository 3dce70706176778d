"""Runs what the test lists in runs.json, each with a picture of its own, and has it undone.

For that the picture is in a window: the test presses Ctrl+Z once whenever a file named undo-…
appears, and nothing else may be needed to have the image as it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from common import (
    NOTES,
    OUT,
    RGBA,
    Babl,
    Gegl,
    Gimp,
    add_layer,
    call,
    dump,
    feathered,
    new_image,
    parasite,
    save,
    tree,
)


def digest(drawable: Any) -> str:
    """What a layer mask or the selection holds, as a hash."""
    area = Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())
    data = drawable.get_buffer().get(area, 1.0, None, Gegl.AbyssPolicy.NONE)
    return hashlib.sha256(bytes(data)).hexdigest()


def state(image: Any) -> dict[str, Any]:
    """All of an image that a tool could change."""
    layers = image.get_layers()
    return {
        "tree": tree(image),
        "places": [list(one.get_offsets()) for one in layers],
        "masks": [digest(one.get_mask()) if one.get_mask() else None for one in layers],
        "receipts": [parasite(one) for one in layers],
        "selection": digest(image.get_selection()),
        "parasites": sorted(one for one in image.get_parasite_list() if one.startswith("nss")),
        "channels": len(image.get_channels()),
        "size": [image.get_width(), image.get_height()],
    }


def described(layer: Any, name: str) -> dict[str, Any]:
    """A layer of the result, as notes."""
    mask = layer.get_mask()
    return {
        "name": layer.get_name(),
        "pixels": dump(layer, name),
        "format": Babl.get_name(layer.get_format()),
        "place": list(layer.get_offsets())[1:],
        "size": [layer.get_width(), layer.get_height()],
        "receipt": parasite(layer),
        "mask": dump(mask, f"{name}-mask") if mask else None,
    }


def arguments_of(given: dict[str, Any], procedure: str) -> dict[str, Any]:
    """The parameters as arguments; a number that is given is not automatic."""
    found = Gimp.get_pdb().lookup_procedure(f"plug-in-nss-{procedure}")
    names = {spec.name for spec in found.get_arguments()}
    automatic = {f"{name}-auto": False for name in given if f"{name}-auto" in names}
    return {**automatic, **given}


def await_undo(image: Any, name: str, before: dict[str, Any]) -> dict[str, Any]:
    """What one Ctrl+Z makes of the image."""
    (OUT / f"undo-{name}").touch()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not (OUT / f"undone-{name}").exists():
        time.sleep(0.05)
    while time.monotonic() < deadline and state(image) != before:
        time.sleep(0.1)
    return {"same": state(image) == before, "dirty": image.is_dirty()}


def run(wanted: dict[str, Any]) -> None:
    name, kind = wanted["name"], wanted["kind"]
    image = new_image(kind)
    photo = add_layer(image, kind, "Photo", picture=wanted["picture"])
    layers = [photo]
    if wanted["indexed"]:
        image.convert_indexed(
            Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 64, False, False, ""
        )
    if wanted["strokes"]:
        strokes = Gimp.Layer.new(image, "Strokes", 20, 15, RGBA, 100, Gimp.LayerMode.NORMAL)
        image.insert_layer(strokes, None, 0)
        strokes.set_offsets(30, 30)
        Gimp.context_set_foreground(Gegl.Color.new("red"))
        strokes.fill(Gimp.FillType.FOREGROUND)
    if wanted["empty"]:
        empty = Gimp.Layer.new(image, "Empty", 30, 20, RGBA, 100, Gimp.LayerMode.NORMAL)
        image.insert_layer(empty, None, 0)
        layers = [empty]
    if wanted["selection"]:
        feathered(image)
    display = Gimp.Display.new(image) if wanted["undo"] else None
    image.clean_all()
    before = state(image)
    source = dump(layers[0], f"{name}-source")
    arguments = arguments_of(wanted["parameters"], wanted["tool"])
    notes = call(
        wanted["tool"], image, layers, path=wanted["path"], consent=wanted["consent"], **arguments
    )
    after = state(image)
    added = [
        one for one in image.get_layers() if one.get_name() not in ("Photo", "Strokes", "Empty")
    ]
    notes |= {
        "before": before,
        "after": after,
        "dirty": image.is_dirty(),
        "source": source,
        "added": [described(one, f"{name}-added-{n}") for n, one in enumerate(added)],
        "image_receipts": [
            json.loads(bytes(image.get_parasite(one).get_data())) for one in after["parasites"]
        ],
        "opened": [],
    }
    if wanted["outcome"] == "selection":
        dump(image.get_selection(), f"{name}-selection")
    for number in notes.get("images", []):
        opened = Gimp.Image.get_by_id(number)
        top = described(opened.get_layers()[0], f"{name}-opened")
        base = opened.get_base_type().value_nick
        notes["opened"].append({"base": base, "layer": top, "layers": len(opened.get_layers())})
        opened.delete()
    if display is not None and after != before:
        notes["undone"] = await_undo(image, name, before)
    if display is not None:
        display.delete()
    else:
        image.delete()
    NOTES[name] = notes
    save()


for one in json.loads((OUT / "runs.json").read_text("utf-8")):
    run(one)
NOTES["done"] = True
save()
