"""Every kind of result in the real GIMP, to the last bit: layers, masks, selections, new images.

The plug-in's own host is driven by the flow of every tool, with a stand-in for the worker that
answers with known noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gimp_pictures import CLAY, FORMATS, HEIGHT, WIDTH, encode, top
from gimp_stage import Run, Stage, a_stage

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]
DEPTHS = {"u8": "u1", "u16": "<u2", "f32": "<f4"}
BANDS = (0, 100, 255)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The built plug-in; no worker is needed."""
    with a_stage(tmp_path_factory.mktemp("gimp-kinds"), worker=False) as made:
        yield made


@pytest.fixture(scope="module")
def kinds(stage: Stage) -> Run:
    """One start of GIMP's console with all kinds of results."""
    run = stage.run("kinds")
    output = run.done.stdout + run.done.stderr
    assert run.found.get("done") and run.done.returncode == 0, output
    for word in ("CRITICAL", "Traceback", "GIMP-Error"):
        assert word not in output, output
    assert list((run.profile.home / "nss").rglob("px-*")) == []
    return run


# ---------------------------------------------------------------- what was given and what came


def job(kinds: Run, name: str, kind: str, number: int = 0) -> np.ndarray:
    """A pixel file of a job: rows, columns, channels (four, or none of a mask)."""
    file, width, height, depth, _, _ = kinds.found[name]["jobs"][number][kind]
    found = np.frombuffer(kinds.read(file), DEPTHS[depth]).reshape(height, width, -1)
    return found[..., 0] if kind in ("mask", "matte") else found


def done(kinds: Run, name: str) -> Any:
    """The notes of a run that went well and left what was there as it was."""
    notes = kinds.found[name]
    assert notes["error"] is None, notes["error"]
    assert notes["untouched"] and notes["channels"] == 0
    return notes


def layer(kinds: Run, notes: Any, kind: str) -> np.ndarray:
    """A layer's native samples."""
    width, height = notes["size"]
    return np.frombuffer(kinds.read(notes["pixels"]), FORMATS[kind][0]).reshape(height, width, -1)


def mask(kinds: Run, notes: Any, dtype: str) -> np.ndarray:
    """A layer mask's native samples."""
    width, height = notes["size"]
    return np.frombuffer(kinds.read(notes["mask"]), dtype).reshape(height, width)


def selection(kinds: Run, name: str) -> np.ndarray:
    """The image's selection after a run."""
    width, height = kinds.found[name]["size"]
    return np.frombuffer(kinds.read(f"{name}-selection"), "u1").reshape(height, width)


def product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Two masks multiplied, in the samples of the first one."""
    if one.dtype.kind == "f":
        return one * other
    largest = top(one.dtype.str.removeprefix("|"))
    exact = one.astype(np.float64) * other.astype(np.float64) / largest
    return np.floor(exact + 0.5).astype(one.dtype)


def bands(width: int, dtype: str) -> np.ndarray:
    """The columns of the layer mask that the script gives: hidden, 100 of 255, shown."""
    third = width // 3
    columns = np.repeat(BANDS, (third, third, width - 2 * third))
    return (columns / 255 * top(dtype)).round(0 if top(dtype) > 1 else 9).astype(dtype)


def check_pixels(native: np.ndarray, pixels: np.ndarray, kind: str) -> None:
    """A layer's native samples are a job's pixels, exactly where these cross as they are."""
    dtype = FORMATS[kind][0]
    if kind.startswith("grey"):
        pixels = pixels[..., [0, 3]]
    pixels = pixels[..., : native.shape[-1]]
    if kind.startswith("wide"):
        rgb = pixels[..., :3].astype(np.float64) @ np.linalg.inv(CLAY).T
        rgb = np.clip(encode(np.clip(rgb, 0, 1)), 0, 1) * 255
        assert np.abs(native[..., :3] - rgb).max() <= 2
        assert np.abs(native[..., 3] - pixels[..., 3] * 255.0).max() <= 1
    elif kind == "half":
        assert np.abs(native.astype(np.float64) - pixels).max() <= 5e-4
    elif kind == "grey8":
        assert np.abs(native.astype(int) - pixels).max() <= 1
    else:
        assert native.astype(dtype).tobytes() == np.ascontiguousarray(pixels).tobytes()


# ---------------------------------------------------------------- masks

MASK_TYPES = {"half": ("Y half", "<f2"), "linear32": ("Y float", "<f4")}


@pytest.mark.parametrize(
    "kind", ["srgb8", "opaque8", "wide8", "srgb16", "linear16", "linear32", "half", "grey8"]
)
def test_mask(kinds: Run, kind: str) -> None:
    """Colours in a new layer above, and the matte as its mask: linear coverage, no curve."""
    notes = done(kinds, f"mask-{kind}")
    assert notes["order"] == ["Photo · Cut out · classical", "Photo"] and notes["dirty"]
    assert "layer mask" in notes["destination"]
    (added,) = notes["added"]
    assert added["receipt"] and added["alpha"] and added["place"] == [7, 5]
    assert added["applied"] and not added["painting_on_mask"]
    sixteen = ("Y u16", "<u2") if kind.endswith("16") else ("Y u8", "u1")
    name, dtype = MASK_TYPES.get(kind, sixteen)
    assert added["mask_format"] == name
    matte = job(kinds, f"mask-{kind}", "matte")
    assert matte.dtype == np.dtype(DEPTHS["f32"] if kind == "half" else dtype)
    found = mask(kinds, added, dtype)
    # GIMP rounds to half precision in its own way.
    assert np.allclose(found, matte, atol=1e-3 if kind == "half" else 0)
    shown = "srgb8" if kind == "opaque8" else kind
    check_pixels(layer(kinds, added, shown), job(kinds, f"mask-{kind}", "result"), shown)
    # The selection was a hint, which changes nothing in how the result is placed.
    assert notes["jobs"][0]["mask"][1:3] == [WIDTH, HEIGHT]


@pytest.mark.parametrize("kind", ["srgb8", "srgb16", "linear32"])
def test_what_was_hidden_stays_hidden(kinds: Run, kind: str) -> None:
    """The source's own layer mask and the matte are multiplied."""
    notes = done(kinds, f"mask-masked-{kind}")
    (added,), (source,) = notes["added"], notes["sources"]
    matte = job(kinds, f"mask-masked-{kind}", "matte")
    dtype = FORMATS[kind][0]
    own = mask(kinds, source, dtype)
    assert np.allclose(own[0], bands(WIDTH, dtype), atol=1e-6)
    found = mask(kinds, added, dtype)
    assert np.array_equal(found, product(matte, own))
    assert (found[:, : WIDTH // 3] == 0).all() and (found[:, -WIDTH // 3 :] != 0).any()


def test_a_mask_that_does_not_apply_hides_nothing(kinds: Run) -> None:
    (added,) = done(kinds, "mask-not-applied")["added"]
    assert np.array_equal(mask(kinds, added, "u1"), job(kinds, "mask-not-applied", "matte"))


def test_cut(kinds: Run) -> None:
    """Cut pixels: a layer with alpha even above one without, and the source's own layer mask."""
    notes = done(kinds, "cut")
    (added,), (source,) = notes["added"], notes["sources"]
    assert not source["alpha"] and added["alpha"]
    check_pixels(layer(kinds, added, "srgb8"), job(kinds, "cut", "result"), "srgb8")
    assert kinds.read(added["mask"]) == kinds.read(source["mask"])


def test_mask_of_an_indexed_image(kinds: Run) -> None:
    notes = done(kinds, "mask-indexed")
    assert notes["order"] == ["Photo"] and not notes["dirty"]
    ((made,),) = [image["layers"] for image in notes["opened"]]
    assert np.array_equal(mask(kinds, made, "u1"), job(kinds, "mask-indexed", "matte"))
    check_pixels(layer(kinds, made, "srgb8"), job(kinds, "mask-indexed", "result"), "srgb8")


# ---------------------------------------------------------------- selections


@pytest.mark.parametrize("kind", ["srgb8", "linear16", "linear32", "grey8"])
def test_selection(kinds: Run, kind: str) -> None:
    """The matte of a layer that reaches beyond the canvas is the selection; no channel stays."""
    notes = done(kinds, f"selection-{kind}")
    assert notes["order"] == ["Photo"] and notes["selected"] and notes["dirty"]
    assert notes["destination"] == "The result is the image's selection."
    want = np.zeros((HEIGHT, WIDTH), "u1")
    want[15:, : WIDTH - 20] = job(kinds, f"selection-{kind}", "matte")[: HEIGHT - 15, 20:]
    assert np.array_equal(selection(kinds, f"selection-{kind}"), want)
    assert notes["parasites"] == [f"nss-cut-out-{notes['tattoos'][0]}"]
    assert notes["listed"] == ["Photo"]


def test_selection_of_a_masked_layer(kinds: Run) -> None:
    notes = done(kinds, "selection-masked")
    own = mask(kinds, notes["sources"][0], "u1")
    want = product(job(kinds, "selection-masked", "matte"), own)
    assert np.array_equal(selection(kinds, "selection-masked"), want)


def test_selection_in_an_indexed_image(kinds: Run) -> None:
    """It needs no new image."""
    notes = done(kinds, "selection-indexed")
    assert notes["opened"] == []
    matte = job(kinds, "selection-indexed", "matte")
    assert np.array_equal(selection(kinds, "selection-indexed"), matte)


def test_selections_of_several_layers(kinds: Run) -> None:
    """All mattes together; the first is no hint for the second."""
    notes = done(kinds, "selection-several")
    hint = np.frombuffer(kinds.read("selection-several-hint.raw"), "u1").reshape(HEIGHT, WIDTH)
    mattes = [job(kinds, "selection-several", "matte", n).astype(int) for n in range(2)]
    for number in range(2):
        assert np.array_equal(job(kinds, "selection-several", "mask", number), hint)
    found = selection(kinds, "selection-several").astype(int)
    assert np.abs(found - np.minimum(255, mattes[0] + mattes[1])).max() <= 1
    assert len(notes["parasites"]) == 2 and set(notes["listed"]) == {"Other", "Photo"}


# ---------------------------------------------------------------- the canvas' rectangle


def seen_small(kind: str) -> np.ndarray:
    """The white layer of 50 × 40 at 100, -10 on the canvas, as it crosses."""
    dtype = FORMATS[kind][0]
    out = np.zeros((HEIGHT, WIDTH, 4), dtype)
    out[:30, 100:] = top(dtype)
    if kind != "opaque8":
        out[:30, 100:, 3] = bands(50, dtype)[:20]
    return out


@pytest.mark.parametrize("kind", ["srgb8", "opaque8", "linear32", "grey8"])
def test_below(kinds: Run, kind: str) -> None:
    """The canvas as large as it is; what the layer's mask hides is not in the way."""
    notes = done(kinds, f"below-{kind}")
    seen = job(kinds, f"below-{kind}", "source")
    assert np.allclose(seen, seen_small(kind), atol=1e-6)
    assert "mask" not in notes["jobs"][0]
    result = job(kinds, f"below-{kind}", "result")
    if kind == "grey8":
        assert notes["order"] == ["Small", "Photo"] and not notes["dirty"]
        (image,) = notes["opened"]
        subject, made = image["layers"]
        assert (subject["name"], made["name"]) == ("Small", "Small · Below · classical")
        check_pixels(layer(kinds, subject, "srgb8"), seen, "srgb8")
        check_pixels(layer(kinds, made, "srgb8"), result, "srgb8")
        assert made["receipt"] and not subject["receipt"]
        return
    assert notes["order"] == ["Small", "Small · Below · classical", "Photo"]
    (added,) = notes["added"]
    assert added["place"] == [0, 0] and added["receipt"] and added["mask"] is None
    shown = "srgb8" if kind == "opaque8" else kind
    check_pixels(layer(kinds, added, shown), result, shown)


def test_below_in_a_group(kinds: Run) -> None:
    notes = done(kinds, "below-in-group")
    assert notes["children"] == ["Inner", "Inner · Below · classical"]


def test_below_in_an_indexed_image(kinds: Run) -> None:
    (image,) = done(kinds, "below-indexed")["opened"]
    assert [one["name"] for one in image["layers"]] == ["Photo", "Photo · Below · classical"]


@pytest.mark.parametrize("kind", ["srgb8", "opaque8", "linear32", "grey8"])
def test_picture(kinds: Run, kind: str) -> None:
    """A picture of the canvas' size above the layer; the selection crosses as a hint."""
    name = f"picture-{kind}"
    notes = done(kinds, name)
    assert np.array_equal(job(kinds, name, "mask"), selection(kinds, name))
    result = job(kinds, name, "result")
    if kind == "grey8":
        (image,) = notes["opened"]
        assert image["base"] == "rgb" and not notes["dirty"]
        check_pixels(layer(kinds, image["layers"][0], "srgb8"), result, "srgb8")
        return
    assert notes["order"][:2] == ["Small · Picture · classical", "Small"]
    (added,) = notes["added"]
    assert added["place"] == [0, 0] and added["size"] == [WIDTH, HEIGHT] and added["mask"] is None
    shown = "srgb8" if kind == "opaque8" else kind
    check_pixels(layer(kinds, added, shown), result, shown)


def test_picture_over_nothing(kinds: Run) -> None:
    """An empty layer, no chosen layer, and no layer at all will do for a new picture."""
    notes = done(kinds, "picture-empty")
    assert notes["order"] == ["Empty · Picture · classical", "Empty", "Photo"]
    assert not job(kinds, "picture-empty", "source").any()
    chosen = done(kinds, "picture-none-chosen")
    assert chosen["order"][0] == "Canvas · Picture · classical"
    for kind in ("srgb8", "wide8", "srgb16"):
        notes = done(kinds, f"picture-no-layer-{kind}")
        assert notes["order"] == ["Canvas · Picture · classical"]
        result = job(kinds, f"picture-no-layer-{kind}", "result")
        check_pixels(layer(kinds, notes["added"][0], kind), result, kind)
    (image,) = done(kinds, "picture-no-layer-grey8")["opened"]
    assert image["base"] == "rgb"


# ---------------------------------------------------------------- new images


@pytest.mark.parametrize(
    "kind",
    ["srgb8", "opaque8", "wide8", "srgb16", "linear32", "half", "grey8", "greyonly8"],
)
def test_scaled(kinds: Run, kind: str) -> None:
    """A new image like the old one, of the new size; the old one is not even dirty."""
    notes = done(kinds, f"scale-{kind}")
    assert notes["order"] == ["Photo"] and not notes["dirty"]
    assert notes["destination"] == "The result opens as a new image, 240 × 180."
    assert "mask" not in notes["jobs"][0]
    (image,) = notes["opened"]
    grey = kind.startswith("grey")
    precision = {"srgb16": "u16-non-linear", "linear32": "float-linear", "half": "half-linear"}
    assert image["base"] == ("gray" if grey else "rgb")
    assert image["precision"] == precision.get(kind, "u8-non-linear")
    assert image["profile"] == (kinds.found["wide_profile"] if kind == "wide8" else None)
    assert image["resolution"] == [150, 100] and image["size"] == [240, 180]
    # Closing it asks, since it is in no file yet.
    assert image["dirty"]
    (made,) = image["layers"]
    assert made["receipt"] and made["place"] == [0, 0] and made["mask"] is None
    (source,) = notes["sources"]
    assert made["alpha"] == source["alpha"] and made["format"] == source["format"]
    pixels = job(kinds, f"scale-{kind}", "result")
    if kind in ("opaque8", "greyonly8"):
        # Without alpha GIMP lays nothing under the colours.
        pixels = pixels[..., :1] if grey else pixels[..., :3]
        native = layer(kinds, made, kind).astype(int)
        assert np.abs(native - pixels).max() <= 1
        return
    check_pixels(layer(kinds, made, kind), pixels, kind)


def test_scaled_with_its_mask(kinds: Run) -> None:
    """What the source's layer mask hides stays hidden at the new size."""
    (image,) = done(kinds, "scale-masked")["opened"]
    (made,) = image["layers"]
    assert made["size"] == [480, 360]
    found = mask(kinds, made, "u1")
    for start, stop, value in ((0, 150, 0), (170, 310, 100), (330, 480, 255)):
        assert (found[:, start:stop] == value).all()
    assert ((found[:, 150:170] > 0) & (found[:, 150:170] < 100)).any(), "the edge is not smooth"
    check_pixels(layer(kinds, made, "srgb8"), job(kinds, "scale-masked", "result"), "srgb8")


def test_scaled_from_an_indexed_image(kinds: Run) -> None:
    (image,) = done(kinds, "scale-indexed")["opened"]
    assert image["base"] == "rgb" and image["size"] == [240, 180]


def test_scaled_beside_a_locked_group(kinds: Run) -> None:
    """Nothing is added to the image, so its locks do not matter."""
    assert len(done(kinds, "scale-locked-group")["opened"]) == 1
    error = kinds.found["picture-locked-group"]["error"]
    assert error[0] == "BadInput" and "“Group” around the layer “Inner” is locked" in error[1]


@pytest.mark.parametrize("kind", ["grey8", "greyonly8", "grey32"])
def test_colours_of_a_grey_image(kinds: Run, kind: str) -> None:
    """They open as a new RGB image with the old one's precision and resolution."""
    notes = done(kinds, f"colour-{kind}")
    assert notes["order"] == ["Photo"] and not notes["dirty"]
    assert notes["destination"].startswith("A grey image cannot hold colours")
    source, result = (notes["jobs"][0][one] for one in ("source", "result"))
    assert source[-1] is True and result[-1] is False
    (image,) = notes["opened"]
    assert image["base"] == "rgb" and image["resolution"] == [150, 100]
    assert image["precision"] == ("float-linear" if kind == "grey32" else "u8-non-linear")
    (made,) = image["layers"]
    assert made["receipt"]
    shown = {"grey32": "linear32", "grey8": "srgb8", "greyonly8": "opaque8"}[kind]
    native = layer(kinds, made, shown)
    pixels = job(kinds, f"colour-{kind}", "result")[..., : native.shape[-1]]
    assert np.array_equal(native, pixels)
    assert (native[..., 0] != native[..., 1]).any()
    error = kinds.found[f"strokes-{kind}"]["error"]
    assert error[0] == "BadInput" and "hold no colours" in error[1]


# ---------------------------------------------------------------- strokes and words


@pytest.mark.parametrize("kind", ["srgb8", "wide8", "srgb16"])
@pytest.mark.parametrize("again", ["", "again-"])
def test_strokes(kinds: Run, kind: str, again: str) -> None:
    """The layer above, over the source's rectangle; the result lies above the strokes."""
    name = f"strokes-{again}{kind}"
    notes = done(kinds, name)
    strokes = job(kinds, name, "strokes")
    source = job(kinds, name, "source")
    assert strokes.shape == source.shape == (HEIGHT, WIDTH, 4) and strokes.dtype == source.dtype
    dtype = strokes.dtype.str.removeprefix("|")
    # The white layer of 50 × 40 at 100, -10, seen from 7, 5.
    want = np.zeros_like(strokes)
    want[:25, 93:] = top(dtype)
    want[:25, 93:, 3] = bands(50, dtype)[:27]
    assert np.allclose(strokes, want, atol=1e-5)
    # GIMP numbers the second one of the same name.
    result = "Photo · Colour · classical" + (" #1" if again else "")
    assert notes["order"][-3:] == [result, "Small", "Photo"]
    (added,) = notes["added"]
    assert added["place"] == [7, 5] and added["mask"] is None
    check_pixels(layer(kinds, added, kind), job(kinds, name, "result"), kind)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("strokes-none", "there is no layer"),
        ("strokes-clear", "“Clear” has nothing there"),
        ("strokes-result", "is itself a result"),
        ("erase-nothing", "needs a selection, and nothing is selected"),
        ("below-empty", "“Empty” is empty"),
        ("below-no-layer-srgb8", "No layer is selected"),
    ],
)
def test_refusals(kinds: Run, name: str, words: str) -> None:
    """A sentence that says what to do; the image stays as it was."""
    notes = kinds.found[name]
    assert notes["error"][0] == "BadInput" and words in notes["error"][1]
    assert notes["untouched"] and not notes["dirty"] and notes["added"] == []


def test_words(kinds: Run) -> None:
    """Nothing is placed; the receipts are kept by the image and listed."""
    notes = done(kinds, "words")
    assert notes["order"] == ["Other", "Photo"] and notes["added"] == []
    assert notes["text"] == "Photo\ncat  75%\ndog  25%\n\nOther\ncat  75%\ndog  25%"
    assert len(notes["jobs"]) == 2 and "result" not in notes["jobs"][0]
    assert "mask" not in notes["jobs"][0]
    names = {f"nss-words-{tattoo}" for tattoo in notes["tattoos"]}
    assert set(notes["parasites"]) == names and set(notes["listed"]) == {"Photo", "Other"}
    assert done(kinds, "words-one")["text"] == "cat  75%\ndog  25%"
