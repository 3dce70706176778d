"""Every tool in the real GIMP through both paths: kind of result, receipt, one undo step.

One start of GIMP with its window; the tools run in the worker, real paths on contract models that
a local hub serves.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gimp_pictures import FORMATS, HEIGHT, WIDTH, samples
from gimp_stage import Run, Stage, a_stage
from roots import Inside

from shared_core.bridge import toolbox
from shared_core.catalog import cards as catalogue

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]
BOTH = ("classical", "real")
MODELS = {
    "remove-background": "isnet-general-fp16",
    "remove-object": "lama-carve-fp32",
    "denoise": "drunet-color",
    "deblur": "nafnet-gopro-opencv",
    "upscale": "realesrgan-x4plus-x2",
    # Who consents to whichever model gets one that allows commercial use.
    "restore-faces": "restoreformer-pp-int8w",
    "colorize": "ddcolor-tiny-fp16",
    "text-to-image": "sdxs-512-dreamshaper-cvclass",
    "generate-background": "sdxs-512-dreamshaper-cvclass",
    "tags": "clip-vit-b32-xenova",
}


@dataclass(frozen=True)
class Wanted:
    """A run for the script in GIMP; ``undo`` where it is undone in the window."""

    tool: str
    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "srgb8"
    picture: str = "opaque-srgb8"
    selection: bool = False
    strokes: bool = False
    empty: bool = False
    indexed: bool = False
    undo: bool = True
    extra: str = ""
    consent: bool = True

    @property
    def name(self) -> str:
        """One word for the notes and the test's id."""
        return "-".join(part for part in (self.tool, self.path, self.extra) if part)

    @property
    def model(self) -> str:
        """The model that is taken where the user chooses none."""
        larger = self.parameters.get("factor") == "4"
        return "realesrgan-x4plus" if larger else MODELS[self.tool]

    @property
    def outcome(self) -> toolbox.Returns:
        """What must come back."""
        tool = toolbox.tool(self.tool)
        return tool.outcome(tool.parse(self.parameters))


def a_pair(tool: str, parameters: Mapping[str, Any], **options: Any) -> list[Wanted]:
    return [Wanted(tool, path, parameters, **options) for path in BOTH]


def format_of(kind: str) -> dict[str, Any]:
    return {"kind": kind, "picture": "", "undo": False, "extra": kind}


PROMPT = {"prompt": "a red brick wall", "seed": 7}
RUNS = [
    *a_pair("remove-background", {"result": "mask"}),
    *a_pair("remove-background", {"result": "mask"}, **format_of("srgb16")),
    *a_pair("remove-background", {"result": "mask"}, **format_of("linear32")),
    *a_pair("remove-background", {"result": "cut"}, extra="cut"),
    *a_pair("remove-background", {"result": "selection"}, extra="selection"),
    *a_pair("remove-object", {}, selection=True),
    *a_pair("denoise", {"strength": 20.0}),
    *a_pair("deblur", {"kind": "soft", "radius": 1.5}),
    *a_pair("upscale", {"factor": "2"}),
    *a_pair("upscale", {"factor": "4"}, **format_of("srgb16")),
    *a_pair("restore-faces", {}, picture="face-srgb8"),
    Wanted("restore-faces", "classical", extra="no-face"),
    *a_pair("colorize", {}),
    *a_pair("colorize", {}, **format_of("grey8")),
    *a_pair("colorize", {}, kind="opaque8", picture="", indexed=True, undo=False, extra="indexed"),
    Wanted("colorize", "classical", {"strokes": "above"}, strokes=True, extra="strokes"),
    *a_pair("text-to-image", PROMPT),
    *a_pair("text-to-image", PROMPT, empty=True, undo=False, extra="again"),
    *a_pair("generate-background", PROMPT, picture="srgb8"),
    *a_pair("tags", {}),
]
assert {one.tool for one in RUNS} == {tool.id for tool in toolbox.TOOLS}
# By card, the run that a model which ships with NSS makes real.
SHIPPED = {card.id: card for card in catalogue.load().values() if card.shipped}
FRESH = [
    Wanted(
        card.tool,
        "real",
        {"factor": str(card.tile.scale)} if card.tile and card.tile.scale > 1 else {},
        undo=False,
        extra=card.id,
        consent=False,
    )
    for card in SHIPPED.values()
]


def of(*outcomes: toolbox.Returns) -> Any:
    """The runs with these outcomes, as parameters of a test."""
    chosen = [one for one in RUNS if one.outcome in outcomes]
    return pytest.mark.parametrize("wanted", chosen, ids=[one.name for one in chosen])


Returns = toolbox.Returns
every = of(*Returns)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One start of GIMP in which everything is run, and undone where it shows in the window."""
    with a_stage(tmp_path_factory.mktemp("gimp-tools")) as stage:
        yield run_all(stage)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The real paths of a user who has just installed NSS and is offline."""
    with a_stage(tmp_path_factory.mktemp("gimp-fresh")) as stage:
        out = stage.folder / "fresh-out"
        options = stage.fresh("fresh")
        write_runs(out, FRESH)
        done = stage.editor.run(
            [stage.editor.gimp_console, "-i", *stage.batch("tools")], timeout=300, **options
        )
        run = Run(out, done, options["profile"])
        assert run.found.get("done"), done.stdout + done.stderr
        yield run


def write_runs(out: Path, wanted: list[Wanted]) -> None:
    """What the script in GIMP is to do."""
    runs = [
        {**asdict(one), "name": one.name, "picture": one.picture or one.kind}
        | {"outcome": one.outcome.value}
        for one in wanted
    ]
    (out / "runs.json").write_text(json.dumps(runs), "utf-8")


def run_all(stage: Stage) -> Run:
    out = stage.folder / "tools-out"
    with stage.mounts("tools", 3.0, {}) as options:
        write_runs(out, RUNS)
        gimp = [stage.editor.gimp, "-s", *stage.batch("tools")]
        with stage.editor.on_display(gimp, **options) as inside:
            stop = threading.Event()
            presser = threading.Thread(target=undo_when_asked, args=(inside, out, stop))
            presser.start()
            try:
                done = inside.wait(800)
            finally:
                stop.set()
                presser.join()
    run = Run(out, done, options["profile"])
    assert run.found.get("done"), done.stdout + done.stderr
    return run


def undo_when_asked(inside: Inside, out: Path, stop: threading.Event) -> None:
    """One Ctrl+Z for each file of the script that asks for it."""
    while not stop.wait(0.1):
        for asked in out.glob("undo-*"):
            answered = out / asked.name.replace("undo", "undone", 1)
            if not answered.exists():
                # GIMP's window must have come to show the new picture.
                stop.wait(0.3)
                inside.also(["xdotool", "key", "ctrl+z"])
                answered.touch()


def notes_of(tools: Run, wanted: Wanted) -> Any:
    notes = tools.found[wanted.name]
    assert notes["status"] == "success", notes["message"]
    return notes


def shown(tools: Run, layer: Any, kind: str = "srgb8") -> np.ndarray:
    """A layer's native samples."""
    dtype, channels, _, _ = FORMATS[kind]
    width, height = layer["size"]
    return np.frombuffer(tools.read(layer["pixels"]), dtype).reshape(height, width, channels)


# ---------------------------------------------------------------- receipts and undo


@every
def test_receipt(tools: Run, wanted: Wanted) -> None:
    """It says what was asked for, which path was taken, and which model ran."""
    notes = notes_of(tools, wanted)
    (label,) = notes["receipts"]
    assert label["tool"] == wanted.tool and label["path"] == wanted.path, label["reason"]
    assert label["fault"] is None
    if wanted.path == "real":
        assert label["model"]["id"] == wanted.model and label["provider"]["bound"]
        assert label["model"]["sha256"] and label["model"]["repo"]
    else:
        assert label["model"] is None and label["algorithm"]["name"]
    for name, value in wanted.parameters.items():
        assert label["parameters"][name] == value, name
    if "seed" in wanted.parameters:
        assert label["seed"] == wanted.parameters["seed"]
    kept = [one["receipt"] for one in notes["added"]] + notes["image_receipts"]
    kept += [one["layer"]["receipt"] for one in notes["opened"]]
    if wanted.tool == "generate-background" and notes["opened"]:
        kept = [label]
    assert kept == [label]


@every
def test_the_source_is_untouched(tools: Run, wanted: Wanted) -> None:
    """Every layer that was there is there, to the bit; a new image leaves the old one clean."""
    notes = notes_of(tools, wanted)
    after = [line for line in notes["after"]["tree"] if line in notes["before"]["tree"]]
    assert after == notes["before"]["tree"]
    assert notes["after"]["channels"] == 0
    if notes["opened"]:
        assert notes["after"] == notes["before"] and not notes["dirty"]
    if wanted.outcome is not Returns.SELECTION:
        assert notes["after"]["selection"] == notes["before"]["selection"]


@every
def test_one_undo_step(tools: Run, wanted: Wanted) -> None:
    """One Ctrl+Z in the image's window has the image as it was, also not dirty."""
    notes = notes_of(tools, wanted)
    if not wanted.undo or notes["opened"]:
        assert "undone" not in notes
        return
    assert notes["undone"] == {"same": True, "dirty": False}


def test_gimp_ends_well(tools: Run) -> None:
    """No complaint of GIMP's, and no pixel file left behind."""
    output = tools.done.stdout + tools.done.stderr
    for word in ("Traceback", "GIMP-Error", "left image undo in inconsistent state"):
        assert word not in output, output
    lines = [line for line in output.splitlines() if "CRITICAL" in line]
    # GIMP 3.2 misses the pointing device of a display that has no mouse.
    assert [line for line in lines if not ("Gdk-CRITICAL" in line or "_device_" in line)] == []
    assert list((tools.profile.home / "nss").rglob("px-*")) == []


# ---------------------------------------------------------------- models that ship with NSS


@pytest.mark.parametrize("wanted", FRESH, ids=lambda one: one.extra)
def test_real_on_a_fresh_machine(fresh: Run, wanted: Wanted) -> None:
    """The model that ships with NSS makes the pixels, and nothing is fetched."""
    notes = notes_of(fresh, wanted)
    (label,) = notes["receipts"]
    assert label["path"] == "real" and label["fault"] is None, label
    assert label["model"]["id"] == wanted.extra
    assert label["model"]["sha256"] == SHIPPED[wanted.extra].main_file.sha256
    assert label["provider"]["bound"].startswith("CPU")
    after = [line for line in notes["after"]["tree"] if line in notes["before"]["tree"]]
    assert after == notes["before"]["tree"]
    if wanted.tool != "upscale":
        (added,) = notes["added"]
        source = samples(fresh.read(notes["source"]), "srgb8")
        assert (shown(fresh, added) != source).any()
    else:
        (opened,) = notes["opened"]
        factor = int(wanted.parameters["factor"])
        assert opened["layer"]["size"] == [WIDTH * factor, HEIGHT * factor]


# ---------------------------------------------------------------- kinds of results


@of(Returns.PIXELS)
def test_pixels(tools: Run, wanted: Wanted) -> None:
    """A new layer above the source, or a new RGB image where this one cannot hold it."""
    notes = notes_of(tools, wanted)
    if wanted.indexed or wanted.kind.startswith("grey"):
        (image,) = notes["opened"]
        assert image["base"] == "rgb" and notes["added"] == []
        kind = "srgb8" if image["layer"]["format"].endswith("A u8") else "opaque8"
        rgb = shown(tools, image["layer"], kind)[..., :3].astype(int)
        if not wanted.indexed:
            assert (rgb.max(-1) - rgb.min(-1)).max() > 10, "there is no colour"
        return
    (added,) = notes["added"]
    names = [line[1] for line in notes["after"]["tree"]]
    title = toolbox.tool(wanted.tool).title
    maker = "classical" if wanted.path == "classical" else "real "
    assert added["name"].startswith(f"Photo · {title} · {maker}")
    below = ["Strokes", "Photo"] if wanted.strokes else ["Photo"]
    assert names == [added["name"], *below]
    assert added["size"] == [WIDTH, HEIGHT]
    unchanged = wanted.extra == "no-face"
    source = samples(tools.read(notes["source"]), "srgb8")
    assert (shown(tools, added) == source).all() == unchanged
    if wanted.selection:
        assert notes["receipts"][0]["image"]["selection"] is True


@of(Returns.MASK)
def test_mask(tools: Run, wanted: Wanted) -> None:
    """Colours in the layer, which is opaque where the source is, and a matte that is not flat."""
    notes = notes_of(tools, wanted)
    (added,) = notes["added"]
    dtype = FORMATS[wanted.kind][0]
    matte = np.frombuffer(tools.read(added["mask"]), dtype).reshape(HEIGHT, WIDTH)
    assert len(np.unique(matte)) > 1
    if dtype == "<f4":
        assert matte.min() >= 0 and matte.max() <= 1
    source = samples(tools.read(notes["source"]), wanted.kind)
    assert np.array_equal(shown(tools, added, wanted.kind)[..., 3], source[..., 3])


def test_masks_have_the_depth_of_the_image(tools: Run) -> None:
    """A matte of 16 bits has more than 8 could hold, and one in float more than 16."""
    deep = tools.found["remove-background-real-srgb16"]["added"][0]["mask"]
    found = np.frombuffer(tools.read(deep), "<u2")
    assert (found % 257 != 0).any()
    floats = tools.found["remove-background-real-linear32"]["added"][0]["mask"]
    found = np.frombuffer(tools.read(floats), "<f4") * 65535
    assert (np.abs(found - found.round()) > 0.01).any()


@of(Returns.SELECTION)
def test_selection(tools: Run, wanted: Wanted) -> None:
    """No layer, but the image's selection; the image keeps the receipt."""
    notes = notes_of(tools, wanted)
    assert notes["added"] == [] and notes["after"]["tree"] == notes["before"]["tree"]
    found = np.frombuffer(tools.read(f"{wanted.name}-selection.raw"), "u1")
    assert found.any() and not (found == 255).all()
    assert notes["after"]["parasites"][0].startswith(f"nss-{wanted.tool}-")


@of(Returns.SCALED)
def test_scaled(tools: Run, wanted: Wanted) -> None:
    """A new image of the new size, whose id the procedure returns."""
    notes = notes_of(tools, wanted)
    ((image,),) = [notes["opened"]]
    factor = int(wanted.parameters["factor"])
    layer = image["layer"]
    assert layer["size"] == [WIDTH * factor, HEIGHT * factor] and image["base"] == "rgb"
    small = samples(tools.read(notes["source"]), wanted.kind).astype(float)
    large = shown(tools, layer, wanted.kind).astype(float)
    mean = large.reshape(HEIGHT, factor, WIDTH, factor, -1).mean((1, 3))
    inner = np.s_[8:28, 8:40]
    largest = 65535 if wanted.kind.endswith("16") else 255
    assert np.abs(mean - small)[inner].mean() < 0.05 * largest


@of(Returns.LAYER)
def test_picture(tools: Run, wanted: Wanted) -> None:
    """A picture of the canvas' size above the layer, also above an empty one."""
    notes = notes_of(tools, wanted)
    (added,) = notes["added"]
    assert notes["after"]["tree"][0][1] == added["name"]
    assert added["size"] == [WIDTH, HEIGHT] and added["place"] == [0, 0]
    assert len(np.unique(shown(tools, added)[..., :3])) > 8, "the picture is flat"


@pytest.mark.parametrize("path", BOTH)
def test_the_same_seed_gives_the_same_picture(tools: Run, path: str) -> None:
    pictures = [
        tools.read(tools.found[f"text-to-image-{path}{again}"]["added"][0]["pixels"])
        for again in ("", "-again")
    ]
    assert pictures[0] == pictures[1]


@of(Returns.BELOW)
def test_below(tools: Run, wanted: Wanted) -> None:
    """A background of the canvas' size below the layer."""
    notes = notes_of(tools, wanted)
    (added,) = notes["added"]
    assert [line[1] for line in notes["after"]["tree"]] == ["Photo", added["name"]]
    assert added["size"] == [WIDTH, HEIGHT]
    assert (shown(tools, added)[..., 3] == 255).all()


@of(Returns.TEXT)
def test_text(tools: Run, wanted: Wanted) -> None:
    """Words for the script and in the receipt, which the image keeps; no pixel changes."""
    notes = notes_of(tools, wanted)
    assert notes["added"] == [] and notes["after"]["tree"] == notes["before"]["tree"]
    (label,) = notes["receipts"]
    found = label["found"]
    want = [f"{word}  {score:.0%}" for word, score in found.get("labels", [])]
    want += [f"{name}: {value}" for name, value in found.get("measurements", {}).items()]
    assert sorted(notes["text"].splitlines()) == sorted(want) and len(want) > 2
    assert len(notes["after"]["parasites"]) == 1
