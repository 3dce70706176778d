"""What the batch scripts share: pictures in, native bytes out, procedures called, notes kept."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")

from gi.repository import Babl, Gegl, Gimp, Gio  # noqa: E402

Gegl.init(None)
OUT, PICTURES = Path("/out"), Path("/pictures")
WIDTH, HEIGHT = 120, 90
WIDE = "/usr/share/color/icc/krita/ClayRGB-elle-V4-srgbtrc.icc"
NOTES: dict[str, Any] = {}

RGB, GRAY = Gimp.ImageBaseType.RGB, Gimp.ImageBaseType.GRAY
RGBA, RGB_ONLY = Gimp.ImageType.RGBA_IMAGE, Gimp.ImageType.RGB_IMAGE
GREY, GREY_ONLY = Gimp.ImageType.GRAYA_IMAGE, Gimp.ImageType.GRAY_IMAGE
P = Gimp.Precision
FORMATS: dict[str, tuple[Any, Any, Any, bool]] = {
    "srgb8": (RGB, RGBA, P.U8_NON_LINEAR, False),
    "opaque8": (RGB, RGB_ONLY, P.U8_NON_LINEAR, False),
    "wide8": (RGB, RGBA, P.U8_NON_LINEAR, True),
    "srgb16": (RGB, RGBA, P.U16_NON_LINEAR, False),
    "linear16": (RGB, RGBA, P.U16_LINEAR, False),
    "linear32": (RGB, RGBA, P.FLOAT_LINEAR, False),
    "srgb32": (RGB, RGBA, P.FLOAT_NON_LINEAR, False),
    "wide32": (RGB, RGBA, P.FLOAT_LINEAR, True),
    "half": (RGB, RGBA, P.HALF_LINEAR, False),
    "grey8": (GRAY, GREY, P.U8_NON_LINEAR, False),
    "greyonly8": (GRAY, GREY_ONLY, P.U8_NON_LINEAR, False),
    "grey32": (GRAY, GREY, P.FLOAT_LINEAR, False),
}


def save() -> None:
    """Write the notes where the test reads them."""
    (OUT / "found.json").write_text(json.dumps(NOTES), "utf-8")


def native(drawable: Any) -> bytes:
    """A drawable's bytes in its own format."""
    area = Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())
    return bytes(drawable.get_buffer().get(area, 1.0, None, Gegl.AbyssPolicy.NONE))


def dump(drawable: Any, name: str) -> str:
    """The drawable's native bytes as a file for the test."""
    (OUT / f"{name}.raw").write_bytes(native(drawable))
    return f"{name}.raw"


def fill(layer: Any, data: bytes) -> None:
    """Put bytes of the layer's own format into it."""
    area = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    buffer = layer.get_buffer()
    buffer.set(area, Babl.get_name(layer.get_format()), data)
    buffer.flush()
    assert native(layer) == data, "GIMP changed the picture"


def new_image(kind: str) -> Any:
    """An image of one of the FORMATS."""
    base, _, precision, wide = FORMATS[kind]
    image = Gimp.Image.new_with_precision(WIDTH, HEIGHT, base, precision)
    if wide:
        profile = Gimp.ColorProfile.new_from_file(Gio.File.new_for_path(WIDE))
        assert image.set_color_profile(profile)
    return image


def add_layer(
    image: Any, kind: str, name: str, parent: Any = None, position: int = 0, picture: str = ""
) -> Any:
    """A layer with the picture of its format."""
    layer = Gimp.Layer.new(image, name, WIDTH, HEIGHT, FORMATS[kind][1], 100, Gimp.LayerMode.NORMAL)
    fill(layer, (PICTURES / f"{picture or kind}.raw").read_bytes())
    assert image.insert_layer(layer, parent, position)
    return layer


def feathered(image: Any) -> None:
    """A selection that touches no edge, with a soft rim."""
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 30, 22, 60, 48)
    Gimp.Selection.feather(image, 12)


def mask_over(image: Any, layer: Any, name: str) -> str:
    """The selection's bytes over a layer as a file for the test."""
    _, x, y = layer.get_offsets()
    area = Gegl.Rectangle.new(x, y, layer.get_width(), layer.get_height())
    buffer = image.get_selection().get_buffer()
    (OUT / f"{name}.raw").write_bytes(bytes(buffer.get(area, 1.0, "Y u8", Gegl.AbyssPolicy.NONE)))
    return f"{name}.raw"


def call(procedure: str, image: Any, drawables: list[Any], **arguments: Any) -> dict[str, Any]:
    """Call one of the plug-in's procedures; its status, message and receipts."""
    pdb = Gimp.get_pdb()
    found = pdb.lookup_procedure(f"plug-in-nss-{procedure}")
    config = found.create_config()
    arguments.setdefault("run-mode", Gimp.RunMode.NONINTERACTIVE)
    arguments["image"] = image
    for name, value in arguments.items():
        config.set_property(name.replace("_", "-"), value)
    config.set_core_object_array("drawables", drawables)
    values = found.run(config)
    status = values.index(0)
    names = {
        Gimp.PDBStatusType.SUCCESS: "success",
        Gimp.PDBStatusType.CALLING_ERROR: "calling-error",
        Gimp.PDBStatusType.EXECUTION_ERROR: "execution-error",
        Gimp.PDBStatusType.CANCEL: "cancel",
    }
    notes: dict[str, Any] = {"status": names.get(status, str(status)), "receipts": []}
    if status == Gimp.PDBStatusType.SUCCESS:
        notes["receipts"] = json.loads(values.index(1))
        if values.length() == 3:
            notes["text"] = values.index(2)
        if values.length() > 3:
            notes |= {"images": json.loads(values.index(2)), "text": values.index(3)}
    elif values.length() > 1:
        notes["message"] = str(values.index(1))
    else:
        notes["message"] = str(pdb.get_last_error())
    return notes


def tree(image: Any) -> list[list[Any]]:
    """Every layer: depth, name, and a hash of its native bytes unless it is a group."""
    found: list[list[Any]] = []

    def walk(layers: Any, depth: int) -> None:
        for layer in layers:
            bytes_of = b"" if layer.is_group() else native(layer)
            found.append([depth, layer.get_name(), hashlib.sha256(bytes_of).hexdigest()])
            if layer.is_group():
                walk(layer.get_children(), depth + 1)

    walk(image.get_layers(), 0)
    return found


def above(image: Any, layer: Any) -> Any:
    """The layer above one, in the same group."""
    parent = layer.get_parent()
    siblings = parent.get_children() if parent else image.get_layers()
    return siblings[image.get_item_position(layer) - 1]


def parasite(layer: Any) -> Any:
    """The receipt that a layer carries."""
    found = layer.get_parasite("nss-receipt")
    return json.loads(bytes(found.get_data())) if found else None


def apply(
    name: str, image: Any, layers: list[Any], tool: str = "denoise", **arguments: Any
) -> None:
    """Run a tool and note all that the test judges."""
    before = tree(image)
    sources = [dump(layer, f"{name}-{n}-source") for n, layer in enumerate(layers)]
    masks = []
    if not Gimp.Selection.is_empty(image):
        masks = [mask_over(image, layer, f"{name}-{n}-mask") for n, layer in enumerate(layers)]
    images = Gimp.get_images()
    notes = call(tool, image, layers, **arguments)
    notes |= {"before": before, "after": tree(image), "sources": sources, "masks": masks}
    results = []
    if notes["status"] == "success":
        opened = [one for one in Gimp.get_images() if one not in images]
        tops = [one.get_layers()[0] for one in opened] or [above(image, one) for one in layers]
        for number, (top, layer) in enumerate(zip(tops, layers, strict=True)):
            results.append(
                {
                    "pixels": dump(top, f"{name}-{number}-result"),
                    "name": top.get_name(),
                    "format": Babl.get_name(top.get_format()),
                    "source_format": Babl.get_name(layer.get_format()),
                    "receipt": parasite(top),
                    "place": list(top.get_offsets())[1:],
                    "size": [top.get_width(), top.get_height()],
                    "source_place": list(layer.get_offsets())[1:],
                    "has_mask": top.get_mask() is not None,
                }
            )
        notes["opened"] = [one.get_base_type() == RGB for one in opened]
        for one in opened:
            one.delete()
    notes["results"] = results
    NOTES[name] = notes
    save()
