"""The plug-in in the real GIMP: procedures, pixels, receipts, refusals, a killed worker, undo.

Batch scripts call the installed procedures and write out native bytes and notes; here they are
judged against pixels that are computed apart from the product.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gimp_pictures import (
    CLAY,
    FORMATS,
    HEIGHT,
    WIDTH,
    WITHOUT_ALPHA,
    decode,
    encode,
    samples,
    top,
)
from gimp_stage import ROOT, Run, Stage, a_stage, contract_models
from PIL import Image

from shared_core.algorithms import blur, dct_denoise, deconvolution, noise
from shared_core.bridge import labels, toolbox
from shared_core.bridge.toolbox import Returns

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The built plug-in and a worker's environment inside the test editor."""
    with a_stage(tmp_path_factory.mktemp("gimp")) as made:
        yield made


@pytest.fixture(scope="module")
def main(stage: Stage) -> Run:
    """One start of GIMP's console with all that can be seen in one."""
    run = stage.run("main")
    assert run.found.get("done") and run.done.returncode == 0, run.done.stdout + run.done.stderr
    return run


# ---------------------------------------------------------------- pictures and expectations


def network(encoded: np.ndarray) -> np.ndarray:
    """DRUNet's twin at strength 40, a known function of each pixel."""
    return contract_models.expected_drunet(encoded.astype(np.float32), 40).astype(np.float64)


def blended(values: np.ndarray, linear: bool, mask: np.ndarray) -> np.ndarray:
    """The result in the curve the pixels are in; what exceeds 0..1 is kept."""
    clipped = np.clip(values, 0, 1)
    new = decode(network(encode(clipped))) if linear else network(clipped)
    return values + mask * (new - clipped)


def with_border(twin: Any, rgb: np.ndarray) -> np.ndarray:
    """A twin that sees neighbours: tiles are filled up at the right and below by mirroring."""
    grown = np.pad(rgb, ((0, 1), (0, 1), (0, 0)), mode="reflect")
    return twin(grown)[:-1, :-1]


def expected(kind: str, native: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The colours that must come out, in steps of the format."""
    dtype, _, linear, _ = FORMATS[kind]
    values = native.astype(np.float64) / top(dtype)
    if not kind.startswith("wide"):
        return blended(values, linear, mask) * top(dtype)
    if not linear:
        values = decode(values)
    new = blended(values @ CLAY.T, True, mask) @ np.linalg.inv(CLAY).T
    return (new if linear else encode(np.clip(new, 0, 1))) * top(dtype)


def changed(notes: Any) -> list[Any]:
    """The layers that a run added; all others must be as before."""
    after = list(notes["after"])
    for layer in notes["before"]:
        assert layer in after, f"{layer} was changed"
        after.remove(layer)
    return after


# ---------------------------------------------------------------- tools and paths

RUNS = {
    "denoise-classical": ("Denoise", "classical", ""),
    "denoise-real": ("Denoise", "real", "DRUNet"),
    "denoise-real-auto": ("Denoise", "real", "SCUNet"),
    "deblur-classical": ("Deblur", "classical", ""),
    "deblur-real": ("Deblur", "real", "NAFNet"),
}


def test_procedures(main: Run) -> None:
    """Every tool is below Filters ▸ NSS with the toolbox's arguments."""
    labels_found = {notes["label"] for notes in main.found["procedures"].values()}
    others = {"Panel…", "Receipts…", "Set Up…", "Export with Label…"}
    assert labels_found == {*others, *(f"{tool.title}…" for tool in toolbox.TOOLS)}
    for notes in main.found["procedures"].values():
        assert notes["menu"] == ["<Image>/Filters/NSS"]
    for tool in toolbox.TOOLS:
        notes = main.found["procedures"][tool.id]
        given = {"path", "consent", "commercial-only", "run-mode", "image", "drawables"}
        given |= {parameter.id for parameter in tool.parameters}
        if tool.returns in (Returns.PIXELS, Returns.MASK, Returns.BELOW):
            given.add("placement")
        given |= {f"{parameter.id}-auto" for parameter in tool.parameters if parameter.auto}
        assert set(notes["arguments"]) == given
        assert notes["values"] == ["receipts", "images", "text"]
        for parameter in tool.parameters:
            kind = notes["arguments"][parameter.id]
            if parameter.kind is toolbox.Kind.NUMBER:
                assert kind == ("gint" if parameter.whole else "gdouble")
            elif parameter.kind is toolbox.Kind.TEXT:
                assert kind == "gchararray"


@pytest.mark.parametrize("name", RUNS)
def test_result(main: Run, name: str) -> None:
    """A new layer above the untouched source, with a receipt and a name that say who made it."""
    notes = main.found[name]
    title, path, model = RUNS[name]
    assert notes["status"] == "success", notes
    assert len(changed(notes)) == 1
    (result,), (label,) = notes["results"], notes["receipts"]
    assert result["receipt"] == label
    assert label["path"] == path and label["tool"] == title.lower()
    maker = f"real {model}" if model else "classical"
    assert result["name"].startswith(f"Photo · {title} · {maker}")
    assert label["image"] == {"width": WIDTH, "height": HEIGHT, "depth": "u8", "selection": False}
    assert label["versions"]["host"] == f"GIMP {main.found['version']}"
    source = main.read(notes["sources"][0])
    rgb = np.ascontiguousarray(samples(source, "srgb8")[..., :3]).astype(np.float32) / 255
    if name == "denoise-classical":
        want = dct_denoise.denoise(rgb, 20.0, 0.5)
    elif name == "denoise-real":
        want = contract_models.expected_drunet(rgb, 20)
    elif name == "denoise-real-auto":
        want = with_border(contract_models.expected_scunet, rgb)
    elif name == "deblur-real":
        want = with_border(contract_models.expected_nafnet, rgb)
    else:
        chosen = blur.Blur("soft", 1.5, 0.0, 0.0, 1.0)
        want = deconvolution.deblur(rgb, chosen, 1.0, float(noise.estimate_sigma(rgb)))
    out = samples(main.read(result["pixels"]), "srgb8")
    assert (out[..., 3] == 255).all()
    error = np.abs(out[..., :3] - np.clip(want, 0, 1) * 255).max()
    assert error <= 1, error
    assert np.abs(out[..., :3] - rgb * 255).max() > 2, "the tool did nothing"


def test_from_scheme(main: Run) -> None:
    """Script-Fu calls a tool by named arguments, as the manual has it."""
    assert main.found["scheme"] == "success"
    (label,) = labels.read(main.out / "scheme.xcf")
    assert label["path"] == "classical" and label["parameters"]["strength"] == 20.0


def test_without_a_model(main: Run) -> None:
    """Automatic takes the classical path and says why; real only is an error."""
    refused, done = main.found["real-without-model"], main.found["auto-without-model"]
    assert refused["status"] == "execution-error"
    assert "not downloaded" in refused["message"]
    assert refused["before"] == refused["after"]
    (label,) = done["receipts"]
    assert label["path"] == "classical" and "not downloaded" in label["reason"]


def test_without_a_worker(main: Run) -> None:
    """No Python is named that could run the worker: one sentence, and nothing changed."""
    notes = main.found["no-worker"]
    assert notes["status"] == "execution-error"
    assert "not set up" in notes["message"] and "Set Up…" in notes["message"]
    assert notes["before"] == notes["after"]


def test_receipts_survive_the_file(main: Run, stage: Stage) -> None:
    """Saved and loaded, listed by the procedure, and read from the XCF without GIMP."""
    notes = main.found["saved"]
    assert notes["saved"] and notes["loaded"] == notes["before"]
    assert notes["trees"][0] == notes["trees"][1]
    expected_labels = [label for label in notes["before"] if label]
    assert len(expected_labels) == len(RUNS) + 1
    listed = main.found["listed"]["receipts"]
    assert [one["receipt"] for one in listed] == expected_labels
    stored_in_file = labels.read(main.out / "saved.xcf")
    assert sorted(map(dump, stored_in_file)) == sorted(map(dump, expected_labels))
    command = [sys.executable, "-m", "shared_core.cli", "receipt", str(main.out / "saved.xcf")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    for label in expected_labels:
        assert label["started"] in done.stdout


def test_a_result_of_a_result(main: Run) -> None:
    notes = main.found["again"]
    assert notes["receipts"][0]["source"] == main.found["deblur-real"]["receipts"][0]


def test_placements(main: Run) -> None:
    """A mask on the layer, a group with it, and in its place with all that it had."""
    notes = main.found["placements"]
    for name in ("mask", "group", "replace"):
        assert notes[name]["status"] == "success", notes[name]
    # Depth and name of every layer, and a hash of its pixels.
    before, masked = notes["before"], notes["mask"]
    assert masked["tree"] == before
    assert masked["layer"] == [masked["receipts"][0], True]
    grouped = [row[:2] for row in notes["group"]["tree"]]
    assert grouped[:2] == [[0, "Group"], [1, "Photo · Denoise"]] and grouped[3:] == [
        [2, "Photo"],
        [0, "Background"],
    ]
    assert grouped[2][0] == 2 and grouped[2][1].startswith("Photo · Denoise · classical")
    assert notes["group"]["mode"] and notes["group"]["tree"][3][2] == before[1][2]
    replaced = notes["replace"]
    assert len(replaced["tree"]) == len(grouped) and replaced["tree"][3][2] != before[1][2]
    name, *kept = replaced["layer"]
    assert name.startswith("Photo · Denoise · classical") and kept == [True, True, [5, 7]]
    assert replaced["chosen"] == [name]
    assert replaced["carries"] == replaced["receipts"][0]
    assert replaced["carries"]["source"]["started"] == masked["receipts"][0]["started"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unfit", "cannot be placed as 'mask'"),
        ("masked", "“Photo” has a layer mask already"),
        ("locked", "is locked. Unlock it"),
        ("text", "“Text” is no plain layer"),
    ],
)
def test_placements_that_do_not_fit(main: Run, name: str, words: str) -> None:
    notes = main.found["placements"][name]
    assert notes["status"] == "calling-error" and words in notes["message"], notes


SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@pytest.fixture(scope="module")
def exported(main: Run, stage: Stage) -> dict[str, Any]:
    """What exiftool reads in the exported files, by their names."""
    command = ["sh", "-c", "exiftool -j -G1 -struct /out/*.png /out/*.tif* /out/*.jp*"]
    done = stage.editor.run(command, binds={main.out: "/out"}, timeout=120)
    return {Path(one["SourceFile"]).name: one for one in json.loads(done.stdout)}


@pytest.mark.parametrize("name", ["hidden.png", "hidden.tif", "hidden.jpg", "shown.png"])
def test_export_with_label(main: Run, exported: dict[str, Any], name: str) -> None:
    """The visible layers' receipts, and their source type, as another reader finds it."""
    notes = main.found["exports"]
    said = notes["said"][name]
    assert said["status"] == "success", said
    denoised, generated, photo = notes["receipts"]
    assert photo is None
    visible = [denoised, generated] if name.startswith("shown") else [denoised]
    assert said["receipts"] == labels.read(main.out / name) == visible
    kind = "algorithmicMedia" if name.startswith("shown") else "algorithmicallyEnhanced"
    assert exported[name]["XMP-iptcExt:DigitalSourceType"] == SOURCE_TYPES + kind
    assert said["text"].endswith(f"digital source type {kind}.")
    # What an export leaves out by itself.
    assert "ClayRGB" in exported[name]["ICC_Profile:ProfileDescription"]
    with Image.open(main.out / name) as picture:
        assert picture.size == (WIDTH, HEIGHT) and getattr(picture, "n_frames", 1) == 1


def test_export_leaves_the_image_alone(main: Run) -> None:
    notes = main.found["exports"]
    assert not notes["dirty"] and notes["images"] == 0
    assert notes["named"] == ["[Untitled]", None]
    for name, words in (
        ("none.webp", "ends in .png, .tif, .jpg"),
        ("none/none.png", "no folder"),
        ("nowhere", "Name the file"),
    ):
        said = notes["said"][name]
        assert said["status"].endswith("error") and words in said["message"], said
    assert not list(main.out.glob(".nss-*"))


@pytest.mark.parametrize("name", ["ordinary.png", "ordinary.tiff", "ordinary.jpeg"])
def test_an_ordinary_export_with_xmp(main: Run, exported: dict[str, Any], name: str) -> None:
    """The image's own metadata carry the label, so that GIMP's own export does too."""
    found = exported[name]
    assert found["XMP-iptcExt:DigitalSourceType"] == SOURCE_TYPES + "algorithmicMedia"
    assert labels.read(main.out / name) == main.found["exports"]["receipts"][:2]


def dump(data: Any) -> str:
    return json.dumps(data, sort_keys=True)


# ---------------------------------------------------------------- formats


def check_unselected(main: Run, notes: Any, kind: str, number: int = 0) -> tuple[Any, Any, Any]:
    """Native bytes where nothing is selected are the source's; source, result and mask."""
    native = samples(main.read(notes["sources"][number]), kind)
    out = samples(main.read(notes["results"][number]["pixels"]), kind)
    mask = np.frombuffer(main.read(notes["masks"][number]), "u1").reshape(HEIGHT, WIDTH)
    outside = mask == 0
    assert outside.any() and ((mask > 0) & (mask < 255)).any()
    assert native[outside].tobytes() == out[outside].tobytes()
    return native, out, mask


@pytest.mark.parametrize("kind", FORMATS)
def test_format(main: Run, kind: str) -> None:
    """Outside a feathered selection the bytes stay; inside come the right colours."""
    notes = main.found[f"format-{kind}"]
    assert notes["status"] == "success", notes
    assert len(changed(notes)) == 1
    (result,) = notes["results"]
    assert result["format"] == result["source_format"]
    native, out, mask = check_unselected(main, notes, kind)
    colours, alpha = (
        (native, None) if kind in WITHOUT_ALPHA else (native[..., :-1], native[..., -1])
    )
    if alpha is not None:
        assert np.array_equal(alpha, out[..., -1]), "alpha changed"
    want = expected(kind, colours, mask[..., None] / 255)
    seen = np.ones_like(mask, bool) if alpha is None else alpha > 0
    # What is fully transparent stays as it is.
    want = np.where(seen[..., None], want, colours.astype(np.float64))
    out = out[..., : colours.shape[-1]].astype(np.float64)
    error = np.abs(out - want)
    if top(FORMATS[kind][0]) == 1:
        error /= np.maximum(1, np.abs(want))
    assert error.max() <= FORMATS[kind][3], error.max()
    inside = (mask == 255) & seen
    assert (np.abs(out - colours)[inside] > 0).any(-1).mean() > 0.9, "the tool did nothing"
    assert notes["receipts"][0]["image"]["selection"] is True


@pytest.mark.parametrize("kind", ["wide8", "linear32", "grey8"])
@pytest.mark.parametrize("run", ["deblur-real", "deblur-classical", "denoise-classical"])
def test_unselected_bytes_stay(main: Run, run: str, kind: str) -> None:
    """Also where a pixel's result depends on its neighbours."""
    notes = main.found[f"{run}-{kind}"]
    assert notes["status"] == "success", notes
    assert notes["receipts"][0]["path"] == run.partition("-")[2]
    assert len(changed(notes)) == 1
    native, out, mask = check_unselected(main, notes, kind)
    assert (native != out)[mask > 0].any(), "the tool did nothing"


def test_more_than_256_levels(main: Run) -> None:
    result = main.found["format-srgb16"]["results"][0]
    assert len(np.unique(samples(main.read(result["pixels"]), "srgb16")[..., 0])) > 256


# ---------------------------------------------------------------- layers


def judge_network(main: Run, notes: Any, number: int = 0) -> None:
    """A result of DRUNet's twin over the source's own size, 8 bits, maybe with a selection."""
    result = notes["results"][number]
    width, height = result["size"]
    native = np.frombuffer(main.read(notes["sources"][number]), "u1").reshape(height, width, -1)
    out = np.frombuffer(main.read(result["pixels"]), "u1").reshape(height, width, -1)
    share = np.ones((height, width, 1))
    if notes["masks"]:
        mask = np.frombuffer(main.read(notes["masks"][number]), "u1")
        share = mask.reshape(height, width, 1) / 255
    values = native[..., :3] / 255
    want = np.where(native[..., 3:] > 0, values + share * (network(values) - values), values) * 255
    assert np.abs(out[..., :3] - want).max() <= 1
    assert np.array_equal(out[..., 3], native[..., 3])


def test_several_layers_and_offset(main: Run) -> None:
    """Two layers at once, one of them offset, below a feathered selection."""
    notes = main.found["several"]
    names = [name.split(" · ")[0] for _, name, _ in notes["after"]]
    assert names == ["Second", "Second", "First", "First", "Background"]
    assert len(changed(notes)) == 2 and len(notes["receipts"]) == 2
    for number in range(2):
        check_unselected(main, notes, "srgb8", number)
        judge_network(main, notes, number)
    assert [one["place"] for one in notes["results"]] == [[0, 0], [-30, 25]]


def test_groups(main: Run) -> None:
    """A group by its projection, above it; a layer inside one gets its result there."""
    notes = main.found["group"]
    assert changed(notes)[0][0] == 0
    assert notes["results"][0]["place"] == [7, 5]
    judge_network(main, notes)
    inside = main.found["inside"]
    assert [layer[0] for layer in changed(inside)] == [1]
    judge_network(main, inside)
    assert len(changed(main.found["locked-layer"])) == 1


def test_layer_mask(main: Run) -> None:
    """The result gets a copy of the layer mask, so that it shows as much as its source."""
    notes = main.found["with-mask"]
    assert notes["results"][0]["has_mask"] and notes["masks_equal"]
    judge_network(main, notes)


def test_filters_that_gimp_applies_on_the_fly(main: Run) -> None:
    """A layer with such a filter is read as it is shown, and keeps it."""
    notes = main.found["with-filter"]
    assert notes["status"] == "success", notes
    assert notes["filters"] == 1 and len(changed(notes)) == 1
    native = samples(main.read(notes["sources"][0]), "srgb8")
    out = samples(main.read(notes["results"][0]["pixels"]), "srgb8")
    shown = 1 - native[..., :3] / 255
    want = np.where(native[..., 3:] > 0, network(shown), shown) * 255
    assert np.abs(out[..., :3] - want).max() <= 1


def test_indexed(main: Run) -> None:
    """The result opens as a new RGB image; the indexed one stays as it was."""
    notes = main.found["indexed"]
    assert notes["status"] == "success", notes
    assert notes["before"] == notes["after"] and notes["opened"] == [True]
    shown = np.frombuffer(main.read("indexed-rgb.raw"), "u1").reshape(HEIGHT, WIDTH, 4)
    out = samples(main.read(notes["results"][0]["pixels"]), "opaque8")
    assert np.abs(out - network(shown[..., :3] / 255) * 255).max() <= 1
    assert notes["results"][0]["receipt"] == notes["receipts"][0]


def test_text(main: Run) -> None:
    notes = main.found["text"]
    assert notes["still_text"] and len(changed(notes)) == 1
    judge_network(main, notes)


def test_one_pixel(main: Run) -> None:
    judge_network(main, main.found["tiny"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("locked-group", "“Group” around the layer “Inner” is locked"),
        ("locked-outer", "“Outer” around the layer “Inner” is locked"),
        ("mask-itself", "layer mask"),
        ("channel", "is a channel"),
        ("empty", "is empty"),
        ("empty-group", "is empty"),
        ("selection-outside", "outside the layer “Small”"),
        ("nothing", ""),
    ],
)
def test_refusals(main: Run, name: str, words: str) -> None:
    """A clear error of the procedure, and the image stays as it was."""
    notes = main.found[name]
    assert notes["status"] == "calling-error", notes
    assert words in notes["message"] and notes["message"].endswith(".")
    assert notes["before"] == notes["after"] and notes["receipts"] == []


def test_gimp_ends_well(main: Run) -> None:
    """No complaint of GIMP's, and no pixel file left behind."""
    output = main.done.stdout + main.done.stderr
    for word in ("CRITICAL", "Traceback", "left image undo in inconsistent state"):
        assert word not in output, output
    assert list((main.profile.home / "nss").rglob("px-*")) == []


# ---------------------------------------------------------------- kill


@pytest.fixture(scope="module")
def killed(stage: Stage) -> Run:
    """One start in which the worker is killed in the middle of a run."""
    slow = contract_models.Variant.SLOW
    run = stage.run("kill", **{contract_models.NAFNET: slow})
    assert run.found.get("done") and run.done.returncode == 0, run.done.stdout + run.done.stderr
    return run


def test_killed_worker_gives_classical(killed: Run) -> None:
    """kill -9 of supervisor and runner: GIMP lives, the receipt says that the worker died."""
    notes = killed.found["kill"]
    victims = killed.found["kill-victims"]
    assert set(victims) == {"server", "runner"}
    assert killed.found["workers_after"]["server"] != victims["server"]
    assert notes["status"] == "success", notes
    (label,) = notes["receipts"]
    assert label["path"] == "classical" and label["model"] is None
    assert "died" in label["fault"] or "worker ended" in label["fault"]
    assert len(changed(notes)) == 1


def test_model_is_not_tried_again_until_asked(killed: Run) -> None:
    (after,) = killed.found["after"]["receipts"]
    assert after["path"] == "classical" and "died while" in after["reason"]
    assert killed.found["asked"]["receipts"][0]["path"] == "real"


def test_cancel(killed: Run) -> None:
    """GIMP's Cancel kills the plug-in: the worker ends the job and deletes its files."""
    notes = killed.found["cancel"]
    assert notes["status"] != "success" and notes["before"] == notes["after"]
    assert set(killed.found["cancel-victims"]) == {"plug-in"}
    assert killed.found["files_in_run"] >= 2
    assert killed.found["files_after"] == 0 and killed.found["seconds_to_end"] < 8


# ---------------------------------------------------------------- the window


def await_state(out: Path, wanted: Any, seconds: float = 60) -> Any:
    """The layers as the script sees them, once they are as wanted."""
    deadline = time.monotonic() + seconds
    state = None
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            state = json.loads((out / "state.json").read_text("utf-8"))
            if wanted(state):
                return state
        time.sleep(0.1)
    raise AssertionError(f"in {seconds} s it did not come to that: {state}")


def await_window(inside: Any, title: str, seconds: float = 30) -> str:
    """The id of the visible window with this title."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done = inside.also(["xdotool", "search", "--onlyvisible", "--name", title])
        if done.stdout.split():
            return str(done.stdout.split()[0])
        time.sleep(0.2)
    raise AssertionError(f"there is no window {title!r}")


def open_tool(inside: Any, title: str, dialog: str = "") -> None:
    """Filters ▸ NSS ▸ the tool with the keyboard; waits for its dialog, or for another one."""
    # GIMP sorts the entries of a menu by their names.
    others = ("Panel", "Receipts", "Set Up", "Export with Label")
    place = sorted([*(tool.title for tool in toolbox.TOOLS), *others]).index(title)
    for keys in (["alt+r"], ["End", "Right"], ["Down"] * place, ["Return"]):
        if keys:
            inside.also(["xdotool", "key", *keys])
            time.sleep(0.7)
    await_window(inside, dialog or f"^NSS: {title}")
    time.sleep(1.5)


def test_window(stage: Stage) -> None:
    """From the menu through the dialog; one Ctrl+Z removes the result, Ctrl+Y brings it back."""
    out = stage.folder / "gui-out"
    with stage.mounts("gui", 3.0, {}) as options:
        # Nobody reads GIMP's output meanwhile, and a full pipe would stop it.
        gimp = ["sh", "-c", 'exec "$@" >/out/gimp.log 2>&1', "sh", stage.editor.gimp, "-s"]
        arguments = stage.batch("gui")[:-1]
        with stage.editor.on_display([*gimp, *arguments], **options) as inside:
            before = await_state(out, lambda state: len(state["layers"]) == 1, 120)
            window = await_window(inside, f"{WIDTH}x{HEIGHT}")
            # A narrow status bar would make GIMP show the message in a box.
            inside.also(["xdotool", "windowsize", window, "1596", "970"])
            inside.also(["xdotool", "mousemove", "1500", "960"])
            time.sleep(1)
            open_tool(inside, "Denoise")
            inside.also(["xdotool", "key", "Escape"])
            time.sleep(1)
            assert await_state(out, lambda _: True) == before
            open_tool(inside, "Denoise")
            inside.also(["xdotool", "key", "Return"])
            after = await_state(out, lambda state: len(state["layers"]) == 2)
            assert after["layers"][1] == before["layers"][0]
            assert after["layers"][0][1].startswith("Photo · Denoise · classical")
            assert after["receipts"][0]["path"] == "classical" and after["receipts"][1] is None
            time.sleep(1.5)
            inside.also(["xdotool", "key", "ctrl+z"])
            await_state(out, lambda state: state == before, 10)
            inside.also(["xdotool", "key", "ctrl+y"])
            await_state(out, lambda state: state == after, 10)
            nss = [stage.python, "-m", "shared_core.cli"]
            settings = options["profile"].home / "nss" / "config" / "settings.json"
            limits_and_the_real_one_anyway(inside, out, nss, settings)
            report_and_history(inside, out)
            words_a_picture_and_a_new_image(inside, out)
            (out / "stop").touch()


def limits_and_the_real_one_anyway(inside: Any, out: Path, nss: list[str], settings: Path) -> None:
    """A limit is set with the keyboard; beyond another one the real model runs on demand."""
    assert inside.also([*nss, "models", "get", "scunet-real-psnr"]).returncode == 0
    assert inside.also([*nss, "settings", "memory=100 MB"]).returncode == 0
    before = await_state(out, lambda _: True)["layers"]
    open_tool(inside, "Denoise")
    for keys in (["alt+l"], ["alt+t"], ["ctrl+a"], ["9", "0", "Tab"]):
        inside.also(["xdotool", "key", *keys])
        time.sleep(0.7)
    assert json.loads(settings.read_text("utf-8")) == {"memory": "0.1 GB", "budget": "90 s"}
    time.sleep(1.5)
    inside.screenshot(out / "limits.png")
    inside.also(["xdotool", "key", "alt+y"])
    after = await_state(out, lambda state: len(state["layers"]) == len(before) + 1)
    label = next(one for one in after["receipts"] if one and one["path"] == "real")
    assert label["reason"].startswith("as you chose; SCUNet needs ")
    assert label["reason"].endswith("100 MB can be used")
    # Once more with the same values, without a dialog.
    inside.also(["xdotool", "key", "ctrl+f"])
    repeated = await_state(out, lambda state: len(state["layers"]) == len(before) + 2)
    newest = [one for one in repeated["receipts"] if one and one not in after["receipts"]]
    assert newest[0]["tool"] == "denoise"


def words_a_picture_and_a_new_image(inside: Any, out: Path) -> None:
    """Words come in a window, a prompt is typed, and a larger picture gets a window of its own."""
    before = await_state(out, lambda _: True)
    title = toolbox.tool("tags").title
    open_tool(inside, title)
    inside.also(["xdotool", "key", "alt+a"])
    await_state(out, lambda state: len(state["parasites"]) == 1)
    await_window(inside, f"^NSS: {title}")
    inside.screenshot(out / "words.png")
    inside.also(["xdotool", "key", "alt+l"])
    time.sleep(1)
    assert await_state(out, lambda _: True)["layers"] == before["layers"]

    open_tool(inside, toolbox.tool("text-to-image").title)
    inside.also(["xdotool", "type", "a red brick wall"])
    time.sleep(0.7)
    inside.also(["xdotool", "key", "alt+a"])
    made = await_state(out, lambda state: len(state["layers"]) == len(before["layers"]) + 1)
    assert any("Text to Image · classical" in name for _, name, _ in made["layers"])
    label = next(one for one in made["receipts"] if one and one["tool"] == "text-to-image")
    assert label["parameters"]["prompt"] == "a red brick wall"

    open_tool(inside, toolbox.tool("upscale").title)
    inside.also(["xdotool", "key", "alt+a"])
    await_state(out, lambda state: sorted(state["images"]) == [WIDTH, 2 * WIDTH])
    await_window(inside, f"{2 * WIDTH}x{2 * HEIGHT}")


# Its own process, since GIMP's clipboard is for pictures alone.
READ_CLIPBOARD = """
import gi
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk
print(Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).wait_for_text() or "")
"""


def report_and_history(inside: Any, out: Path) -> None:
    """The panel copies a report without names or places; a receipt runs again from its list."""
    before = await_state(out, lambda _: True)
    open_tool(inside, "Panel", "^NSS$")
    inside.also(["xdotool", "key", "alt+s"])
    deadline = time.monotonic() + 20
    text = ""
    while "NSS diagnostics" not in text:
        assert time.monotonic() < deadline, text
        time.sleep(0.5)
        text = inside.also(["python3", "-c", READ_CLIPBOARD]).stdout
    assert "in GIMP 3." in text and "scunet-real-psnr: installed" in text, text
    assert "onnxruntime 1." in text
    assert "/home" not in text and "Photo" not in text, text
    inside.also(["xdotool", "key", "alt+l"])
    time.sleep(1)
    open_tool(inside, "Receipts")
    inside.screenshot(out / "history.png")
    inside.also(["xdotool", "key", "alt+g"])
    after = await_state(out, lambda state: len(state["layers"]) == len(before["layers"]) + 1)
    made = [one for one in after["receipts"] if one and one not in before["receipts"]]
    again = next(one for one in before["receipts"] if one)
    assert len(made) == 1 and made[0]["tool"] == again["tool"] == "denoise"
    assert made[0]["source"] == again["source"] is not None
    time.sleep(1)
    inside.screenshot(out / "history-after.png")
    inside.also(["xdotool", "key", "alt+l"])
    time.sleep(1)
