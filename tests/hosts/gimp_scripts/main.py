"""All that one start of GIMP's console can show: tools, paths, formats, layers, refusals, files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from common import (
    FORMATS,
    HEIGHT,
    NOTES,
    OUT,
    RGBA,
    WIDTH,
    Gegl,
    Gimp,
    Gio,
    above,
    add_layer,
    apply,
    call,
    feathered,
    native,
    new_image,
    parasite,
    save,
    tree,
)

MASKED = {"strength_auto": False, "strength": 40.0, "path": "real", "consent": True}


def registered() -> None:
    pdb = Gimp.get_pdb()
    found = {}
    for name in pdb.query_procedures("^plug-in-nss-", *[".*"] * 7):
        procedure = pdb.lookup_procedure(name)
        found[name.removeprefix("plug-in-nss-")] = {
            "menu": procedure.get_menu_paths(),
            "label": procedure.get_menu_label(),
            "arguments": {one.name: one.value_type.name for one in procedure.get_arguments()},
            "values": [one.name for one in procedure.get_return_values()],
        }
    NOTES["procedures"] = found


def tools() -> None:
    image = new_image("srgb8")
    photo = add_layer(image, "srgb8", "Photo", picture="opaque-srgb8")
    named = Path(os.environ["NSS_HOME"]) / "config" / "worker.json"
    named.rename(named.with_suffix(".away"))
    apply("no-worker", image, [photo])
    named.with_suffix(".away").rename(named)
    apply("real-without-model", image, [photo], path="real")
    apply("auto-without-model", image, [photo])
    chosen = {"strength_auto": False, "strength": 20.0}
    # Before the other model is there, which serves where this one is missing.
    apply("denoise-real-auto", image, [photo], path="auto", consent=True)
    apply("denoise-classical", image, [photo], path="classical", **chosen)
    apply("denoise-real", image, [photo], path="real", consent=True, **chosen)
    soft = {"kind": "soft", "radius_auto": False, "radius": 1.5}
    apply("deblur-classical", image, [photo], "deblur", path="classical", **soft)
    apply("deblur-real", image, [photo], "deblur", path="real", consent=True)
    NOTES["listed"] = call("receipts", image, [photo])
    file = Gio.File.new_for_path(str(OUT / "saved.xcf"))
    image.clean_all()
    saved = Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
    loaded = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    NOTES["saved"] = {
        "saved": saved,
        "before": [parasite(layer) for layer in image.get_layers()],
        "loaded": [parasite(layer) for layer in loaded.get_layers()],
        "trees": [tree(image), tree(loaded)],
    }
    # A result is a source like any other: its receipt names the one before.
    apply("again", image, [above(image, photo)], path="classical", **chosen)


def exports() -> None:
    image = new_image("wide8")
    photo = add_layer(image, "wide8", "Photo")
    path = {"path": "classical"}
    apply("export-denoise", image, [photo], strength_auto=False, strength=20.0, **path)
    call("text-to-image", image, [photo], prompt="bricks", seed=1, **path)
    (made,) = [one for one in image.get_layers() if "Text to Image" in one.get_name()]
    made.set_visible(False)
    image.clean_all()
    images = Gimp.get_images()
    said = {}
    for name in ("hidden.png", "hidden.tif", "hidden.jpg"):
        said[name] = call("export", image, [], file=Gio.File.new_for_path(str(OUT / name)))
    dirty, named = image.is_dirty(), [image.get_name(), image.get_exported_file()]
    made.set_visible(True)
    said["shown.png"] = call(
        "export", image, [], file=Gio.File.new_for_path(str(OUT / "shown.png"))
    )
    for name in ("none.webp", "none/none.png"):
        said[name] = call("export", image, [], file=Gio.File.new_for_path(str(OUT / name)))
    said["nowhere"] = call("export", image, [])
    NOTES["exports"] = {"said": said, "dirty": dirty, "named": named}
    NOTES["exports"]["images"] = len(Gimp.get_images()) - len(images)
    NOTES["exports"]["receipts"] = [parasite(one) for one in image.get_layers()]
    # An export as the user makes it, with XMP ticked.
    for name in ("png", "tiff", "jpeg"):
        procedure = Gimp.get_pdb().lookup_procedure(f"file-{name}-export")
        config = procedure.create_config()
        config.set_property("image", image)
        config.set_property("file", Gio.File.new_for_path(str(OUT / f"ordinary.{name}")))
        config.set_property("include-xmp", True)
        procedure.run(config)


def placements() -> None:
    image = new_image("srgb8")
    add_layer(image, "srgb8", "Background")
    group = Gimp.GroupLayer.new(image, "Group")
    image.insert_layer(group, None, 0)
    photo = add_layer(image, "srgb8", "Photo", group)
    photo.set_offsets(5, 7)
    photo.set_opacity(60)
    photo.set_mode(Gimp.LayerMode.MULTIPLY)
    notes = NOTES["placements"] = {}
    fast = {"path": "classical", "strength_auto": False, "strength": 20.0}

    def place(name: str, layer: Any, tool: str = "denoise", **given: Any) -> None:
        made = call(tool, image, [layer], **given)
        made["tree"] = tree(image)
        made["chosen"] = [one.get_name() for one in image.get_selected_layers()]
        notes[name] = made

    cut = {"path": "classical"}
    notes["before"] = tree(image)
    place("unfit", photo, "remove-background", placement="mask", result="cut", **cut)
    place("mask", photo, "remove-background", placement="mask", **cut)
    notes["mask"]["layer"] = [parasite(photo), photo.get_mask() is not None]
    place("masked", photo, "remove-background", placement="mask", **cut)
    place("group", photo, placement="group", **fast)
    inner = photo.get_parent()
    notes["group"]["mode"] = inner.get_mode() == Gimp.LayerMode.PASS_THROUGH
    place("replace", photo, placement="replace", **fast)
    (made,) = [one for one in inner.get_children() if one.get_opacity() == 60]
    notes["replace"]["layer"] = [made.get_name(), made.get_mode() == Gimp.LayerMode.MULTIPLY]
    notes["replace"]["layer"] += [made.get_mask() is not None, list(made.get_offsets())[1:]]
    notes["replace"]["carries"] = parasite(made)
    made.set_lock_content(True)
    place("locked", made, placement="replace", **fast)
    font = Gimp.context_get_font()
    text = Gimp.TextLayer.new(image, "Text", font, 30, Gimp.Unit.pixel())
    image.insert_layer(text, None, 0)
    place("text", text, placement="replace", **fast)


SCHEME = """(let* (
  (image (car (gimp-image-new 32 24 RGB)))
  (layer (car (gimp-layer-new image "Scheme" 32 24 RGBA-IMAGE 100 LAYER-MODE-NORMAL))))
  (gimp-image-insert-layer image layer 0 0)
  (gimp-drawable-fill layer FILL-WHITE)
  (plug-in-nss-denoise #:run-mode RUN-NONINTERACTIVE #:image image #:drawables (vector layer)
                       #:strength-auto FALSE #:strength 20.0 #:path "classical")
  (gimp-file-save RUN-NONINTERACTIVE image "/out/scheme.xcf"))"""


def from_scheme() -> None:
    """As the manual says it, in Script-Fu."""
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-script-fu-eval")
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("script", SCHEME)
    NOTES["scheme"] = procedure.run(config).index(0).value_nick


def formats() -> None:
    for kind in FORMATS:
        image = new_image(kind)
        photo = add_layer(image, kind, "Photo")
        feathered(image)
        apply(f"format-{kind}", image, [photo], **MASKED)
    soft = {"kind": "soft", "radius_auto": False, "radius": 1.5}
    given = {"deblur": soft, "denoise": {}}
    for kind in ("wide8", "linear32", "grey8"):
        for tool, path in (("deblur", "real"), ("deblur", "classical"), ("denoise", "classical")):
            image = new_image(kind)
            photo = add_layer(image, kind, "Photo")
            feathered(image)
            apply(f"{tool}-{path}-{kind}", image, [photo], tool, path=path, **given[tool])
            image.delete()


def layers() -> None:
    image = new_image("srgb8")
    add_layer(image, "srgb8", "Background")
    first = add_layer(image, "srgb8", "First")
    second = add_layer(image, "srgb8", "Second")
    second.set_offsets(-30, 25)
    feathered(image)
    apply("several", image, [first, second], **MASKED)

    image = new_image("srgb8")
    group = Gimp.GroupLayer.new(image, "Group")
    image.insert_layer(group, None, 0)
    inner = add_layer(image, "srgb8", "Inner", group)
    inner.set_offsets(7, 5)
    apply("group", image, [group], **MASKED)
    apply("inside", image, [inner], **MASKED)
    inner.set_lock_content(True)
    apply("locked-layer", image, [inner], **MASKED)
    group.set_lock_content(True)
    apply("locked-group", image, [inner], **MASKED)
    outer = Gimp.GroupLayer.new(image, "Outer")
    image.insert_layer(outer, None, 0)
    image.reorder_item(group, outer, 0)
    group.set_lock_content(False)
    outer.set_lock_content(True)
    apply("locked-outer", image, [inner], **MASKED)

    image = new_image("srgb8")
    photo = add_layer(image, "srgb8", "Photo")
    mask = photo.create_mask(Gimp.AddMaskType.ALPHA)
    photo.add_mask(mask)
    apply("with-mask", image, [photo], **MASKED)
    made = image.get_layers()[0]
    NOTES["with-mask"]["masks_equal"] = native(made.get_mask()) == native(mask)
    apply("mask-itself", image, [mask], **MASKED)
    photo.remove_mask(Gimp.MaskApplyMode.DISCARD)
    photo.append_filter(Gimp.DrawableFilter.new(photo, "gegl:invert-gamma", "Invert"))
    apply("with-filter", image, [photo], **MASKED)
    NOTES["with-filter"]["filters"] = len(photo.get_filters())

    channel = Gimp.Channel.new(image, "Channel", WIDTH, HEIGHT, 50, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    apply("channel", image, [channel], **MASKED)
    apply("nothing", image, [], **MASKED)
    small = Gimp.Layer.new(image, "Small", 20, 20, RGBA, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(small, None, 0)
    apply("empty", image, [small], **MASKED)
    feathered(image)
    apply("selection-outside", image, [photo, small], **MASKED)
    Gimp.Selection.none(image)
    void = Gimp.GroupLayer.new(image, "Void")
    image.insert_layer(void, None, 0)
    apply("empty-group", image, [void], **MASKED)
    tiny = Gimp.Layer.new(image, "Tiny", 1, 1, RGBA, 100, Gimp.LayerMode.NORMAL)
    tiny.fill(Gimp.FillType.WHITE)
    image.insert_layer(tiny, None, 0)
    apply("tiny", image, [tiny], **MASKED)


def indexed_and_text() -> None:
    image = new_image("opaque8")
    photo = add_layer(image, "opaque8", "Photo")
    image.convert_indexed(
        Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 64, False, False, ""
    )
    dump_rgb(photo, "indexed-rgb")
    apply("indexed", image, [photo], **MASKED)

    image = new_image("srgb8")
    font = Gimp.context_get_font()
    text = Gimp.TextLayer.new(image, "Text", font, 30, Gimp.Unit.pixel())
    image.insert_layer(text, None, 0)
    apply("text", image, [text], **MASKED)
    NOTES["text"]["still_text"] = text.is_text_layer()


def dump_rgb(layer: Any, name: str) -> str:
    """What the layer shows as sRGB bytes, as a file for the test."""
    area = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    data = bytes(layer.get_buffer().get(area, 1.0, "R'G'B'A u8", Gegl.AbyssPolicy.NONE))
    (OUT / f"{name}.raw").write_bytes(data)
    return f"{name}.raw"


for part in (
    registered,
    tools,
    exports,
    placements,
    from_scheme,
    formats,
    layers,
    indexed_and_text,
):
    part()
NOTES["done"] = True
NOTES["version"] = Gimp.version()
save()
