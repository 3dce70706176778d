"""Every kind of result through the plug-in's own host, with a stand-in for the worker.

The stand-in keeps what it is given, and answers with known noise; so what GIMP then holds can be
told to the last bit. No procedure and no worker is run.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import (
    FORMATS,
    HEIGHT,
    NOTES,
    OUT,
    RGBA,
    WIDE,
    WIDTH,
    Babl,
    Gegl,
    Gimp,
    Gio,
    add_layer,
    dump,
    feathered,
    mask_over,
    native,
    new_image,
    save,
    tree,
)

sys.path.insert(0, str(Path(Gimp.directory()) / "plug-ins" / "nss"))

import layers as plug_in
import receipts
from vendored import arena, errors, host, paths, toolbox, wire

Kind, Parameter, Returns, Selects, Tool = (
    toolbox.Kind,
    toolbox.Parameter,
    toolbox.Returns,
    toolbox.Selects,
    toolbox.Tool,
)
FACTOR = Parameter("factor", "F", "", Kind.CHOICE, "2", choices=("2", "4"), choice_titles="24")
STROKES = Parameter(
    "strokes", "S", "", Kind.CHOICE, "above", choices=("none", "above"), choice_titles="na"
)
RESULT = Parameter(
    "result",
    "R",
    "",
    Kind.CHOICE,
    "mask",
    choices=("mask", "cut", "selection"),
    choice_titles="mcs",
)
toolbox.TOOLS = (
    Tool("cut-out", "Cut out", "", Returns.MASK, "classical", (RESULT,), Selects.HINT),
    Tool("scale", "Scale", "", Returns.SCALED, "classical", (FACTOR,), Selects.IGNORED),
    Tool("colour", "Colour", "", Returns.PIXELS, "classical", (STROKES,), colours=True),
    Tool("below", "Below", "", Returns.BELOW, "classical", (), Selects.IGNORED, True, True),
    Tool("picture", "Picture", "", Returns.LAYER, "classical", (), Selects.HINT, True, True),
    Tool("words", "Words", "", Returns.TEXT, "classical", (), Selects.IGNORED),
    Tool("erase", "Erase", "", Returns.PIXELS, "classical", (), Selects.NEEDED),
)
LABEL = {
    "schema": 1,
    "path": "classical",
    "model": None,
    "algorithm": {"name": "classical noise", "parameters": {}},
    "provider": {"requested": None, "bound": None, "device": None},
    "reason": "a test",
    "fault": None,
    "predicted": {"seconds": None, "peak_bytes": None},
    "actual": {
        "load_seconds": 0,
        "run_seconds": 0,
        "total_seconds": 1,
        "peak_bytes": None,
        "tiles": 1,
    },
    "image": {"width": 1, "height": 1, "depth": "u8", "selection": False},
    "parameters": {},
    "seed": None,
    "versions": {"nss": "0", "onnxruntime": None, "host": "GIMP"},
    "started": "2026-01-01T00:00:00Z",
    "source": None,
    "found": {"labels": [["cat", 0.75], ["dog", 0.25]]},
}


class StandIn:
    """A worker that answers each job with noise of its own, and keeps both."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.jobs: list[dict[str, Any]] = []

    def ask(self, question: Any, *_: object) -> Any:
        """A plan: classical."""
        self.planned = [question.width, question.height]
        return wire.PlanReply(wire.Plan("classical", None, None, "a test", 1, 1, 0))

    def run(self, job: Any, _: object) -> Any:
        """The job's files as notes; noise in what is to be filled."""
        number = len(self.jobs)
        notes: dict[str, Any] = {"planned": self.planned, "previous": job.previous}
        noise = random.Random(f"{self.name}-{number}")
        for kind in ("source", "mask", "strokes", "result", "matte"):
            file = getattr(job, kind)
            if file is None:
                continue
            file_name = f"{self.name}-{number}-{kind}.job"
            with arena.mapped(paths.paths(), file, write=True) as pixels:
                if kind in ("result", "matte"):
                    pixels[:] = values(noise, file)
                (OUT / file_name).write_bytes(pixels[:])
            notes[kind] = [file_name, file.width, file.height, file.depth, file.curve, file.grey]
        self.jobs.append(notes)
        return wire.JobDone({**LABEL, "tool": job.tool})


def values(noise: random.Random, file: Any) -> bytes:
    """Samples for a whole pixel file; colours of a grey one are equal, floats lie in 0 to 1."""
    code, top = {"u8": ("B", 255), "u16": ("H", 65535), "f32": ("f", 1)}[file.depth]
    count = file.width * file.height * (1 if file.order == wire.MASK else 4)
    draw = noise.random if top == 1 else lambda: noise.randint(0, top)
    samples = array(code, (draw() for _ in range(count)))
    if file.grey:
        samples[1::4] = samples[0::4]
        samples[2::4] = samples[0::4]
    return samples.tobytes()


def described(layer: Any, name: str) -> dict[str, Any]:
    """A layer with its mask, as notes."""
    found = {
        "name": layer.get_name(),
        "pixels": dump(layer, name),
        "format": Babl.get_name(layer.get_format()),
        "place": list(layer.get_offsets())[1:],
        "size": [layer.get_width(), layer.get_height()],
        "receipt": layer.get_parasite("nss-receipt") is not None,
        "alpha": layer.has_alpha(),
        "mask": None,
    }
    mask = layer.get_mask()
    if mask is not None:
        found["mask"] = dump(mask, f"{name}-mask")
        found["mask_format"] = Babl.get_name(mask.get_format())
        found["applied"] = layer.get_apply_mask()
        found["painting_on_mask"] = layer.get_edit_mask()
    return found


def apply(name: str, image: Any, layers: list[Any], tool: str, **parameters: Any) -> None:
    """Run the flow of a tool and note what GIMP holds afterwards."""
    place = plug_in.GimpHost(image, layers, paths.paths())
    worker = StandIn(name)
    image.clean_all()
    before, chosen = tree(image), [one.get_name() for one in image.get_selected_layers()]
    sources = [described(one, f"{name}-source-{n}") for n, one in enumerate(layers)]
    notes: dict[str, Any] = {"error": None}
    try:
        order = host.Order(tool, parameters)
        task = host.Task(toolbox.tool(tool), toolbox.tool(tool).parse(parameters))
        place.layers(task)
        notes["destination"] = place.destination((layers or [None])[0], task)
        notes["worked"] = place.worked_size((layers or [None])[0], task)
        host.run_here(host.apply_tool(place, order), worker, None)
    except errors.NssError as error:
        notes["error"] = [type(error).__name__, str(error)]
    after = tree(image)
    known = [one for one in after if one in before]
    added = [layer for layer in image.get_layers() if [0, *line(layer)] not in before]
    selection = image.get_selection().get_buffer()
    area = Gegl.Rectangle.new(0, 0, image.get_width(), image.get_height())
    (OUT / f"{name}-selection").write_bytes(
        bytes(selection.get(area, 1.0, "Y u8", Gegl.AbyssPolicy.NONE))
    )
    notes |= {
        "jobs": worker.jobs,
        "sources": sources,
        "untouched": known == before,
        "order": [layer.get_name() for layer in image.get_layers()],
        "added": [described(one, f"{name}-added-{n}") for n, one in enumerate(added)],
        "dirty": image.is_dirty(),
        "selected": [one.get_name() for one in image.get_selected_layers()] == chosen,
        "channels": len(image.get_channels()),
        "size": [image.get_width(), image.get_height()],
        "parasites": sorted(one for one in image.get_parasite_list() if one.startswith("nss")),
        "listed": [one.layer for one in receipts.of_image(image)],
        "tattoos": [one.get_tattoo() for one in layers],
        "text": place.text,
        "opened": [opened_image(one, f"{name}-{n}") for n, one in enumerate(place.opened)],
    }
    NOTES[name] = notes
    save()
    for one in place.opened:
        one.delete()


def line(layer: Any) -> list[Any]:
    """A layer as ``tree`` notes it, without its depth."""
    bytes_of = b"" if layer.is_group() else native(layer)
    return [layer.get_name(), hashlib.sha256(bytes_of).hexdigest()]


def opened_image(image: Any, name: str) -> dict[str, Any]:
    """A new image, as notes."""
    profile = image.get_color_profile()
    return {
        "base": image.get_base_type().value_nick,
        "precision": image.get_precision().value_nick,
        "profile": profile.get_label() if profile else None,
        "resolution": list(image.get_resolution())[1:],
        "size": [image.get_width(), image.get_height()],
        "dirty": image.is_dirty(),
        "layers": [
            described(one, f"{name}-opened-{n}") for n, one in enumerate(image.get_layers())
        ],
    }


@contextmanager
def picture(kind: str, *offset: int) -> Iterator[tuple[Any, Any]]:
    """An image of a format with the layer Photo."""
    image = new_image(kind)
    photo = add_layer(image, kind, "Photo")
    if offset:
        photo.set_offsets(*offset)
    yield image, photo
    image.delete()


def give_mask(layer: Any) -> None:
    """A layer mask of three bands: hidden, half and shown."""
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    size = layer.get_width(), layer.get_height()
    third = size[0] // 3
    row = bytes(third) + bytes([100]) * third + bytes([255]) * (size[0] - 2 * third)
    buffer = mask.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, *size), "Y u8", row * size[1])
    buffer.flush()
    layer.add_mask(mask)
    layer.set_edit_mask(False)


def masks() -> None:
    for kind in ("srgb8", "opaque8", "wide8", "srgb16", "linear16", "linear32", "half", "grey8"):
        with picture(kind, 7, 5) as (image, photo):
            feathered(image)
            apply(f"mask-{kind}", image, [photo], "cut-out")
    for kind in ("srgb8", "srgb16", "linear32"):
        with picture(kind) as (image, photo):
            give_mask(photo)
            apply(f"mask-masked-{kind}", image, [photo], "cut-out")
    with picture("srgb8") as (image, photo):
        give_mask(photo)
        photo.set_apply_mask(False)
        apply("mask-not-applied", image, [photo], "cut-out")
    with picture("opaque8") as (image, photo):
        give_mask(photo)
        apply("cut", image, [photo], "cut-out", result="cut")
    with picture("opaque8") as (image, photo):
        indexed(image)
        apply("mask-indexed", image, [photo], "cut-out")


def selections() -> None:
    for kind in ("srgb8", "linear16", "linear32", "grey8"):
        with picture(kind, -20, 15) as (image, photo):
            feathered(image)
            apply(f"selection-{kind}", image, [photo], "cut-out", result="selection")
    with picture("srgb8") as (image, photo):
        give_mask(photo)
        apply("selection-masked", image, [photo], "cut-out", result="selection")
    with picture("opaque8") as (image, photo):
        indexed(image)
        apply("selection-indexed", image, [photo], "cut-out", result="selection")
    with picture("srgb8") as (image, photo):
        other = add_layer(image, "srgb8", "Other")
        feathered(image)
        mask_over(image, photo, "selection-several-hint")
        apply("selection-several", image, [photo, other], "cut-out", result="selection")


def small_layer(image: Any, kind: str) -> Any:
    """A layer that is smaller than the canvas and reaches beyond it."""
    layer = Gimp.Layer.new(image, "Small", 50, 40, FORMATS[kind][1], 100, Gimp.LayerMode.NORMAL)
    layer.fill(Gimp.FillType.WHITE)
    image.insert_layer(layer, None, 0)
    layer.set_offsets(100, -10)
    return layer


def canvases() -> None:
    for kind in ("srgb8", "opaque8", "linear32", "grey8"):
        with picture(kind) as (image, photo):
            small = small_layer(image, kind)
            if kind != "opaque8":
                give_mask(small)
            feathered(image)
            apply(f"below-{kind}", image, [small], "below")
            apply(f"picture-{kind}", image, [small], "picture")
    with picture("opaque8") as (image, photo):
        indexed(image)
        apply("below-indexed", image, [photo], "below")
    with picture("srgb8") as (image, photo):
        empty = Gimp.Layer.new(image, "Empty", 30, 20, RGBA, 100, Gimp.LayerMode.NORMAL)
        image.insert_layer(empty, None, 0)
        apply("picture-empty", image, [empty], "picture")
        apply("below-empty", image, [empty], "below")
        apply("picture-none-chosen", image, [], "picture")
    for kind in ("srgb8", "wide8", "srgb16", "grey8"):
        image = new_image(kind)
        apply(f"picture-no-layer-{kind}", image, [], "picture")
        apply(f"below-no-layer-{kind}", image, [], "below")
        image.delete()
    image = new_image("srgb8")
    group = Gimp.GroupLayer.new(image, "Group")
    image.insert_layer(group, None, 0)
    inner = add_layer(image, "srgb8", "Inner", group)
    apply("below-in-group", image, [inner], "below")
    NOTES["below-in-group"]["children"] = [one.get_name() for one in group.get_children()]
    group.set_lock_content(True)
    apply("picture-locked-group", image, [inner], "picture")
    apply("scale-locked-group", image, [inner], "scale")
    image.delete()


def indexed(image: Any) -> None:
    image.convert_indexed(
        Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 64, False, False, ""
    )


def scaled() -> None:
    for kind in ("srgb8", "opaque8", "wide8", "srgb16", "linear32", "half", "grey8", "greyonly8"):
        with picture(kind, 7, 5) as (image, photo):
            image.set_resolution(150, 100)
            feathered(image)
            apply(f"scale-{kind}", image, [photo], "scale")
    with picture("srgb8") as (image, photo):
        give_mask(photo)
        apply("scale-masked", image, [photo], "scale", factor="4")
    with picture("opaque8") as (image, photo):
        indexed(image)
        apply("scale-indexed", image, [photo], "scale")


def colours() -> None:
    for kind in ("grey8", "greyonly8", "grey32"):
        with picture(kind, 7, 5) as (image, photo):
            image.set_resolution(150, 100)
            feathered(image)
            apply(f"colour-{kind}", image, [photo], "colour", strokes="none")
            add_layer(image, kind, "Strokes")
            apply(f"strokes-{kind}", image, [photo], "colour")
    for kind in ("srgb8", "wide8", "srgb16"):
        with picture(kind, 7, 5) as (image, photo):
            strokes = small_layer(image, kind)
            give_mask(strokes)
            apply(f"strokes-{kind}", image, [photo], "colour")
            # The strokes are the layer above it still, not the result.
            apply(f"strokes-again-{kind}", image, [photo], "colour")
    with picture("srgb8") as (image, photo):
        apply("strokes-none", image, [photo], "colour")
        clear = Gimp.Layer.new(image, "Clear", WIDTH, HEIGHT, RGBA, 100, Gimp.LayerMode.NORMAL)
        image.insert_layer(clear, None, 0)
        apply("strokes-clear", image, [photo], "colour")
        apply("colour-without-strokes", image, [photo], "colour", strokes="none")
        apply("strokes-result", image, [photo], "colour")


def others() -> None:
    with picture("srgb8", 7, 5) as (image, photo):
        other = add_layer(image, "srgb8", "Other")
        feathered(image)
        apply("words", image, [photo, other], "words")
        apply("words-one", image, [photo], "words")
        Gimp.Selection.none(image)
        apply("erase-nothing", image, [photo], "erase")


for part in (masks, selections, canvases, scaled, colours, others):
    part()
NOTES["wide_profile"] = Gimp.ColorProfile.new_from_file(Gio.File.new_for_path(WIDE)).get_label()
NOTES["done"] = True
(OUT / "found.json").write_text(json.dumps(NOTES), "utf-8")
