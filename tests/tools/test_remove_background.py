"""Remove background, both paths: the real one's matte by other means, colours, kinds, faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared_core.bridge import toolbox
from shared_core.bridge.errors import Cancelled
from shared_core.bridge.toolbox import Returns
from shared_core.catalog import cards
from shared_core.engine.session import open_session
from shared_core.pixels import Picture, Raster, WrongOutput
from shared_core.sheet import Matte
from shared_core.tools import registry, remove_background
from shared_core.tools.work import Model, Sessions, Work
from tests.fakes.contracts.graph import Variant
from tests.fakes.contracts.remove_background import (
    BEN2,
    BIREFNET,
    BIREFNET_LARGE,
    ISNET,
    ISNET_FULL,
    MODNET,
    RMBG,
    TWINS,
    U2NETP,
    expected_matte,
)

Samples = NDArray[Any]
Floats = NDArray[np.float64]
TOOL = toolbox.tool("remove-background")
TOPS = {"u8": 255, "u16": 65535}
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)
NORMALISATIONS = {
    ISNET: HALF,
    RMBG: HALF,
    BIREFNET: IMAGENET,
    U2NETP: IMAGENET,
    MODNET: ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ISNET_FULL: HALF,
    BIREFNET_LARGE: IMAGENET,
    BEN2: IMAGENET,
}
BACKDROPS = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0))


class Job:
    """A layer, the work on it as the runner makes it, and the arrays that it writes to."""

    def __init__(self, rgba: Samples, depth: str = "u8", mask: Any = None, **fields: Any) -> None:
        height, width = rgba.shape[:2]
        self.source = rgba
        self.pixels = np.zeros_like(rgba)
        self.matte = np.zeros((height, width), rgba.dtype)
        names = [parameter.id for parameter in TOOL.parameters]
        given = {name: fields.pop(name) for name in list(fields) if name in names}
        parameters = TOOL.parse(given)
        outcome = TOOL.outcome(parameters)
        picture = Picture(rgba, self.pixels, Raster(width, height, depth))  # type: ignore[arg-type]
        picture.begin()
        self.work = Work(
            picture,
            parameters,
            fields.pop("progress", lambda done, total: None),
            fields.pop("cancelled", lambda: False),
            outcome=outcome,
            selection=mask,
            matte=None if outcome is Returns.PIXELS else Matte(self.matte, depth),
            **fields,
        )

    @property
    def coverage(self) -> Floats:
        """The matte that was written, 0..1."""
        return self.matte / np.iinfo(self.matte.dtype).max


def _layer(rgb: Any, depth: str = "u8", alpha: Any = 1.0) -> Samples:
    rgb = np.asarray(rgb, np.float64)
    planes = np.dstack([rgb, np.broadcast_to(alpha, rgb.shape[:2])])
    return np.rint(planes * TOPS[depth]).astype({"u8": "<u1", "u16": "<u2"}[depth])


def _colours(height: int, width: int, seed: int = 7) -> Floats:
    """Smooth colours with a hard edge and a little grain."""
    rng = np.random.default_rng(seed)
    rough = cv2.resize(rng.random((5, 6, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    rough[height // 3 :, width // 2 :] *= 0.6
    return np.clip(rough + 0.03 * rng.standard_normal((height, width, 3)), 0, 1)


def _model(folder: Path, model: str = ISNET, variant: Variant = Variant.GOOD) -> Model:
    """The twin of ``model`` under its real card."""
    card = cards.load()[model]
    for name, data in TWINS[model](variant).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return Model(
        card, Sessions(("",), lambda role: open_session(folder / card.main_file.path)), folder
    )


# ---------------------------------------------------------------- by other means


def _pillow(plane: Any, height: int, width: int) -> Floats:
    """A plane resized by Pillow's Lanczos filter, in single precision."""
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS), np.float64)


def _expected(model: str, rgb: Any, network: tuple[int, int]) -> Floats:
    """The matte of ``rgb`` (h, w, 3) in 0..1, enlarged plainly, by Pillow, numpy and cv2."""
    height, width = rgb.shape[:2]
    fed = np.clip(np.stack([_pillow(rgb[..., c], *network) for c in range(3)]), 0, 1)
    if model == U2NETP:
        fed = fed / fed.max()
    mean, std = (np.array(values).reshape(3, 1, 1) for values in NORMALISATIONS[model])
    matte = expected_matte(model, (fed - mean) / std)
    if model in (BIREFNET, BIREFNET_LARGE):
        matte = 1 / (1 + np.exp(-matte))
    elif model not in (MODNET, BEN2):
        matte = (matte - matte.min()) / (matte.max() - matte.min())
    scale = min(1, 1024 / max(height, width))
    small = np.clip(_pillow(matte, round(height * scale), round(width * scale)), 0, 1)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip((large - 0.02) / 0.96, 0, 1)


@pytest.mark.parametrize(
    ("model", "network"),
    [
        (ISNET, (1024, 1024)),
        (BIREFNET, (1024, 1024)),
        (RMBG, (1024, 1024)),
        (U2NETP, (320, 320)),
        (MODNET, (512, 768)),
        (ISNET_FULL, (1024, 1024)),
        (BIREFNET_LARGE, (1024, 1024)),
        (BEN2, (1024, 1024)),
    ],
)
def test_the_matte_of_a_16_bit_layer_with_alpha(
    tmp_path: Path, model: str, network: tuple[int, int]
) -> None:
    rgba = _layer(_colours(200, 301), "u16", np.linspace(0.1, 1, 301)[None])
    job = Job(rgba, "u16", detail=0, clean=0)
    made = remove_background.real(job.work, _model(tmp_path, model))
    expected = _expected(model, rgba[..., :3] / 65535, network)
    assert expected.std() > 0.1
    assert np.abs(job.coverage - expected).max() < 2e-4
    assert np.array_equal(job.pixels, rgba)
    assert made.tiles == 1
    assert made.parameters["network"] == f"{network[1]}×{network[0]}"


def test_a_large_layer_is_reduced_in_strips_and_enlarged(tmp_path: Path) -> None:
    rgba = _layer(_colours(700, 1500))
    job = Job(rgba, detail=0, clean=0)
    remove_background.real(job.work, _model(tmp_path, U2NETP))
    expected = _expected(U2NETP, rgba[..., :3] / 255, (320, 320))
    assert np.abs(job.coverage - expected).max() < 0.6 / 255 + 1e-4


def test_a_selection_is_looked_at_with_its_surroundings_and_nothing_else_is_cut(
    tmp_path: Path,
) -> None:
    rgba = _layer(_colours(260, 320), "u16", np.linspace(0.1, 1, 320)[None])
    mask = np.zeros((260, 320), np.uint8)
    cv2.ellipse(mask, (150, 120), (80, 60), 0, 0, 360, 255, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 3)
    left, top, width, height = cv2.boundingRect(mask)
    around = round(0.15 * max(width, height))
    rows = slice(max(0, top - around), min(260, top + height + around))
    columns = slice(max(0, left - around), min(320, left + width + around))
    job = Job(rgba, "u16", mask, detail=0, clean=0)
    remove_background.real(job.work, _model(tmp_path))
    expected = np.zeros((260, 320))
    part = rgba[rows, columns, :3] / 65535
    expected[rows, columns] = _expected(ISNET, part, (1024, 1024))
    assert np.abs(job.coverage - expected * mask / 255).max() < 2e-4
    assert (job.matte[mask == 0] == 0).all()
    assert np.array_equal(job.pixels, rgba)


def test_transparent_pixels_stay_so(tmp_path: Path) -> None:
    alpha = np.ones((120, 150))
    alpha[:, :40] = 0
    rgba = _layer(_colours(120, 150), alpha=alpha)
    for run in (
        lambda job: remove_background.real(job.work, _model(tmp_path)),
        lambda job: remove_background.classical(job.work),
    ):
        job = Job(rgba)
        run(job)
        assert (job.matte[:, :40] == 0).all()
        assert job.matte[:, 40:].any()
        assert np.array_equal(job.pixels[:, :40], rgba[:, :40])


# ---------------------------------------------------------------- edges and their colours


def _composite(height: int = 360, width: int = 480) -> tuple[Floats, Floats, Floats]:
    """Picture, matte and foreground; MODNet's twin tells the matte exactly.

    Weighted as the twin does, the foreground is 0.875 everywhere and the background -0.375, which
    it takes for 1 and 0; both are textured otherwise.
    """
    large = np.zeros((4 * height, 4 * width), np.uint8)
    cv2.circle(large, (2 * width, 2 * height), height, 255, -1)
    rng = np.random.default_rng(3)
    for angle in rng.uniform(0, 2 * np.pi, 150):
        ends = [
            (int(2 * width + r * np.cos(angle)), int(2 * height + r * np.sin(angle)))
            for r in (height * 0.9, height * rng.uniform(1.1, 1.5))
        ]
        cv2.line(large, *ends, 255, 6, cv2.LINE_AA)
    matte = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA) / 255
    y, x = np.mgrid[:height, :width]
    waves = 0.06 * np.sin(x / 37) + 0.06 * np.cos(y / 29)
    green = np.array([-0.25, 1, 0])
    foreground = np.array([0.95, 0.2, 1 / 6]) + waves[..., None] * green
    background = np.array([0.2, 0.3, 13 / 15]) - waves[..., None] * green
    return matte[..., None] * foreground + (1 - matte[..., None]) * background, matte, foreground


def _edge_error(colours: Any, matte: Any, foreground: Floats, truth: Floats) -> float:
    """Mean difference from the true foreground laid on black, white and green, at the edge."""
    edge = (truth > 0) & (truth < 1)
    total = 0.0
    for backdrop in BACKDROPS:
        laid = matte[..., None] * colours + (1 - matte[..., None]) * np.array(backdrop)
        true = truth[..., None] * foreground + (1 - truth[..., None]) * np.array(backdrop)
        total += np.abs(laid - true)[edge].mean()
    return total / len(BACKDROPS)


def test_a_cut_laid_on_other_backgrounds_shows_no_halo(tmp_path: Path) -> None:
    picture, truth, foreground = _composite()
    rgba = _layer(picture, "u16")
    errors = {}
    for clean in (0, 100):
        job = Job(rgba, "u16", clean=clean)
        remove_background.real(job.work, _model(tmp_path, MODNET))
        errors[clean] = _edge_error(job.pixels[..., :3] / 65535, job.coverage, foreground, truth)
        solid = job.matte == 65535
        assert solid.mean() > 0.1
        assert np.array_equal(job.pixels[solid], rgba[solid])
    assert errors[100] * 3 < errors[0]


def test_clean_and_edge_do_as_they_say(tmp_path: Path) -> None:
    picture, truth, _ = _composite()
    rgba = _layer(picture, "u16")

    def run(**given: Any) -> Job:
        job = Job(rgba, "u16", **given)
        remove_background.real(job.work, _model(tmp_path, MODNET))
        return job

    plain, half, full = run(clean=0), run(clean=50), run(clean=100)
    middle = (plain.pixels.astype(float) + full.pixels) / 2
    assert np.abs(half.pixels - middle).max() <= 1
    narrow, wide = run(edge=-60).coverage, run(edge=60).coverage
    assert (narrow <= full.coverage).all()
    assert (wide >= full.coverage).all()
    assert narrow.sum() < 0.97 * full.coverage.sum() < 0.97**2 * wide.sum()
    assert (wide[truth == 0] < 0.2).mean() > 0.95


def test_the_three_results(tmp_path: Path) -> None:
    picture, _, _ = _composite(180, 240)
    rgba = _layer(picture, alpha=0.5)
    model = _model(tmp_path, MODNET)
    jobs = {kind: Job(rgba, result=kind) for kind in ("mask", "cut", "selection")}
    for job in jobs.values():
        remove_background.real(job.work, model)
    mask, cut, selection = jobs["mask"], jobs["cut"], jobs["selection"]
    assert np.array_equal(mask.matte, selection.matte)
    assert np.array_equal(mask.pixels[..., 3], rgba[..., 3])
    assert np.abs(cut.pixels[..., 3] - 128 * mask.coverage).max() <= 1
    assert cut.pixels[..., 3].max() == 128
    assert np.array_equal(cut.pixels[..., :3], mask.pixels[..., :3])
    assert not selection.pixels.any()


# ---------------------------------------------------------------- the classical path


def _two_discs() -> tuple[Samples, NDArray[np.bool_], NDArray[np.bool_]]:
    """A red and a yellow disc on a slope of grey-blue, and where they are."""
    y, x = np.mgrid[:240, :360].astype(np.float64)
    rgb = np.stack([0.3 + x / 1800, 0.4 + y / 1200, 0.55 + 0 * x], axis=2)
    discs = []
    for place, colour in (((110, 110), (0.8, 0.15, 0.1)), ((250, 130), (0.9, 0.8, 0.2))):
        disc = np.hypot(x - place[0], y - place[1]) < 45
        rgb[disc] = colour
        discs.append(disc)
    grain = 0.01 * np.random.default_rng(0).standard_normal(rgb.shape)
    return _layer(np.clip(rgb + grain, 0, 1)), discs[0], discs[1]


def _overlap(coverage: Floats, truth: NDArray[np.bool_]) -> float:
    return float(np.minimum(coverage, truth).sum() / np.maximum(coverage, truth).sum())


def test_what_stands_out_is_cut_out() -> None:
    rgba, red, yellow = _two_discs()
    job = Job(rgba)
    made = remove_background.classical(job.work)
    assert _overlap(job.coverage, red | yellow) > 0.95
    assert made.found == {"subject": "found"}
    assert made.algorithm is not None
    assert made.algorithm.startswith("classical ")


def test_a_selection_says_which() -> None:
    rgba, red, yellow = _two_discs()
    for disc in (red, yellow):
        mask = cv2.dilate(disc.astype(np.uint8), np.ones((31, 31), np.uint8)) * np.uint8(255)
        job = Job(rgba, mask=mask)
        made = remove_background.classical(job.work)
        assert _overlap(job.coverage, disc) > 0.95
        assert (job.matte[mask == 0] == 0).all()
        assert made.found == {"subject": "found"}


@pytest.mark.parametrize("shape", [(60, 80), (1, 1), (3, 400), (300, 2)])
def test_where_nothing_stands_out_the_middle_is_taken_and_told(shape: tuple[int, int]) -> None:
    job = Job(_layer(np.full((*shape, 3), 0.4)))
    made = remove_background.classical(job.work)
    assert made.found == {"subject": "none: the middle was taken"}
    assert "nothing stood out" in str(made.algorithm)
    if min(shape) > 10:
        assert 0.2 < job.coverage.mean() < 0.6


def test_strips_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    picture, _, _ = _composite()
    whole, strips = Job(_layer(picture, "u16"), "u16"), Job(_layer(picture, "u16"), "u16")
    remove_background.classical(whole.work)
    monkeypatch.setattr(remove_background, "STRIP_PIXELS", 480 * 50)
    made = remove_background.classical(strips.work)
    assert made.tiles == 8
    assert np.abs(whole.coverage - strips.coverage).max() < 2e-3
    assert np.abs(whole.pixels / 65535 - strips.pixels / 65535).max() < 4e-3


def test_an_empty_selection_and_a_cancel() -> None:
    rgba = _two_discs()[0]
    job = Job(rgba, mask=np.zeros((240, 360), np.uint8))
    made = remove_background.classical(job.work)
    assert made.unchanged
    assert np.array_equal(job.pixels, rgba)
    with pytest.raises(Cancelled):
        remove_background.classical(Job(rgba, cancelled=lambda: True).work)


# ---------------------------------------------------------------- models at fault


@pytest.mark.parametrize(
    ("variant", "word"),
    [
        (Variant.NAN, "not numbers"),
        (Variant.WRONG_RANGE, "0 to 1 is due"),
        (Variant.HALF_SIZE, "shape"),
        (Variant.CONSTANT, "same coverage"),
    ],
)
def test_a_wrong_model_gives_an_error_and_no_matte(
    tmp_path: Path, variant: Variant, word: str
) -> None:
    job = Job(_layer(_colours(90, 120)))
    with pytest.raises(WrongOutput, match=word):
        remove_background.real(job.work, _model(tmp_path, ISNET, variant))
    assert not job.matte.any()


def test_a_model_that_sees_no_subject_changes_nothing(tmp_path: Path) -> None:
    blue = np.clip(_colours(90, 120) * (0.05, 0.05, 0.1) + (0, 0, 0.9), 0, 1)
    job = Job(_layer(blue))
    made = remove_background.real(job.work, _model(tmp_path, MODNET))
    assert "found no subject" in made.unchanged
    assert (job.matte == 255).all()
    assert np.array_equal(job.pixels, job.source)


@pytest.mark.parametrize("result", ["mask", "cut", "selection"])
def test_where_no_subject_is_seen_a_selection_cuts_nothing(tmp_path: Path, result: str) -> None:
    blue = np.clip(_colours(90, 120) * (0.05, 0.05, 0.1) + (0, 0, 0.9), 0, 1)
    selection = np.zeros((90, 120), np.uint8)
    selection[20:70, 30:90] = 255
    job = Job(_layer(blue), mask=selection, result=result)
    assert remove_background.real(job.work, _model(tmp_path, MODNET)).unchanged
    if result != "selection":
        assert np.array_equal(job.pixels, job.source)
    if result != "cut":
        wanted = selection if result == "selection" else np.full_like(selection, 255)
        assert np.array_equal(job.matte, wanted)


def test_the_choice_of_models() -> None:
    loaded = cards.load()

    def ids(choice: str) -> list[str]:
        return [c.id for c in registry.models(loaded, "remove-background", {"model": choice})]

    assert ids("auto") == [ISNET, BIREFNET, U2NETP]
    assert ids("portrait") == [MODNET]
    assert ids("rmbg") == [RMBG]
    assert ids("fast-full") == [ISNET_FULL]
    assert ids("finest") == [BIREFNET_LARGE]
    assert ids("ben2") == [BEN2]
    assert loaded[RMBG].commercial_use.value == "no"
