"""Every tool through both paths on the command line: the right kind of result, a true receipt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from shared_core.bridge import receipt
from shared_core.bridge.toolbox import TOOLS, Returns, tool
from shared_core.catalog import cards
from shared_core.imagefile import read
from tests.conftest import ROOT, a_home

WIDTH, HEIGHT = 96, 80
FACE = "yunet-2023mar"


@dataclass(frozen=True)
class Case:
    """How a tool is called here, and which cards may have made its real result."""

    models: tuple[str, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    mask: bool = False


CASES = {
    "remove-background": Case(("isnet-general-fp16",)),
    "remove-object": Case(("lama-carve-fp32",), mask=True),
    "denoise": Case(("scunet-real-psnr",)),
    "deblur": Case(("nafnet-gopro-opencv",)),
    "upscale": Case(("realesrgan-x4plus-x2",), {"factor": "2"}),
    "restore-faces": Case(("gfpgan-1.4-facefusion",)),
    "colorize": Case(("ddcolor-tiny-fp16",)),
    "text-to-image": Case(("sd-turbo-ort-web",), {"prompt": "blue wood", "seed": 5}),
    "generate-background": Case(("sd-turbo-ort-web",), {"prompt": "blue wood", "seed": 5}),
    "tags": Case(("clip-vit-b32-xenova",)),
}


def test_every_tool_has_a_case():
    assert set(CASES) == {tool.id for tool in TOOLS}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright disc with a green middle, which the detector's twin takes for a face; 16 bits."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    inside = (rows - 40) ** 2 + (columns - 48) ** 2 < 24**2
    rgb = np.stack([rows / HEIGHT, columns / WIDTH, 0.4 + 0 * rows], axis=-1) * 0.5
    rgb[inside] = [0.9, 0.6, 0.2]
    rgb[(abs(rows - 40) < 10) & (abs(columns - 48) < 10)] = [0, 1, 0]
    rgba = np.dstack([rgb, np.ones((HEIGHT, WIDTH))])
    rgba[:6, :6, 3] = 0
    path = tmp_path_factory.mktemp("photo") / "Bild ü.png"
    cv2.imwrite(str(path), np.rint(rgba[..., [2, 1, 0, 3]] * 65535).astype(np.uint16))
    return path


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("selection") / "mask.png"
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[30:50, 30:60] = 255
    cv2.imwrite(str(path), mask)
    return path


# The models that a tool takes only when they are chosen, and the settings that choose them.
CHOSEN = {
    "modnet": {"model": "portrait"},
    "rmbg-1.4": {"model": "rmbg"},
    "isnet-general-fp32": {"model": "fast-full"},
    "birefnet-general": {"model": "finest"},
    "ben2-fp16": {"model": "ben2"},
    "lama-opencv": {"model": "small"},
    "realesrgan-anime6b": {"model": "drawing", "factor": "4"},
    "swin2sr-lightweight-x2": {"model": "swin2sr"},
    "restoreformer-pp-facefusion": {"model": "restoreformer-full"},
    "codeformer-facefusion": {"model": "codeformer"},
    "ddcolor-facefusion": {"model": "large"},
    "deoldify-artistic-facefusion": {"model": "deoldify"},
    "sdxs-512-dreamshaper-skillsafe": {"model": "small-second"},
    "clip-vit-b32-xenova-fp32": {"model": "full"},
}


def run(
    home: Any,
    tool_id: str,
    photo: Path,
    selection: Path,
    out: Path,
    path: str,
    chosen: Mapping[str, str] | None = None,
) -> Any:
    """Run a tool; its receipt as data, checked against the file that it lies in."""
    case, returns = CASES[tool_id], tool(tool_id).returns
    arguments: list[Any] = ["run", tool_id]
    if returns is not Returns.LAYER:
        arguments.append(photo)
    if case.mask:
        arguments += ["--mask", selection]
    for name, value in {**case.parameters, **(chosen or {})}.items():
        arguments += ["-p", f"{name}={value}"]
    written = out.with_suffix(".json")
    before = hashlib.sha256(photo.read_bytes()).digest()
    home.nss(*arguments, "-o", out, "--path", path, "--receipt", written)
    assert hashlib.sha256(photo.read_bytes()).digest() == before
    made = json.loads(written.read_text("utf-8"))
    assert receipt.to_dict(receipt.from_dict(made)) == made
    if returns is not Returns.TEXT:
        assert read(out).receipts == [made]
    return made


def check_kind(tool_id: str, made: Any, photo: Path, out: Path) -> None:
    """Whether the result is what the tool announces."""
    returns = tool(tool_id).returns
    if returns is Returns.TEXT:
        assert out.read_text("utf-8").strip()
        assert made["found"]
        return
    result, source = read(out), read(photo)
    height, width = result.pixels.shape[:2]
    if returns is Returns.LAYER:
        assert (width, height) == (512, 512) and result.depth == "u8"
    else:
        factor = 2 if returns is Returns.SCALED else 1
        assert (width, height) == (factor * WIDTH, factor * HEIGHT)
        assert result.depth == source.depth == "u16"
    if returns in (Returns.BELOW, Returns.LAYER):
        assert (result.pixels[..., 3] == result.pixels[..., 3].max()).all()
    elif returns is Returns.SCALED:
        assert not result.pixels[:8, :8, 3].any() and result.pixels[-1, -1, 3] == 65535
    elif returns is Returns.MASK:
        assert (result.pixels[..., 3] <= source.pixels[..., 3]).all()
    else:
        assert np.array_equal(result.pixels[..., 3], source.pixels[..., 3])
    assert np.ptp(result.pixels[..., :3].astype(int)) > 0


@pytest.mark.parametrize("tool_id", CASES)
def test_classical(shared_home, photo, selection, tmp_path, tool_id):
    out = tmp_path / ("result.txt" if tool(tool_id).returns is Returns.TEXT else "result.png")
    made = run(shared_home, tool_id, photo, selection, out, "classical")
    assert (made["tool"], made["path"], made["model"]) == (tool_id, "classical", None)
    assert made["reason"] == "as you chose"
    assert made["provider"]["bound"] is None
    check_kind(tool_id, made, photo, out)


@pytest.mark.parametrize("tool_id", CASES)
def test_real(shared_models, photo, selection, tmp_path, tool_id):
    home = shared_models.home
    model = CASES[tool_id].models[0]
    shared_models.get(model)
    out = tmp_path / ("result.txt" if tool(tool_id).returns is Returns.TEXT else "result.png")
    made = run(home, tool_id, photo, selection, out, "auto")
    check_kind(tool_id, made, photo, out)
    if tool_id == "restore-faces" and made["found"].get("faces") == 0:
        pytest.fail("the twin of the detector finds no face in this picture")
    assert (made["tool"], made["path"]) == (tool_id, "real"), made["reason"]
    assert made["model"]["id"] == model
    assert made["provider"]["bound"].startswith("CPUExecutionProvider")
    assert made["actual"]["tiles"] >= 1
    if "seed" in CASES[tool_id].parameters:
        assert made["seed"] == 5


@pytest.fixture(scope="module")
def imported(shared_models, tmp_path_factory):
    """A home on a machine without network, with the models from an exported folder."""
    folder = tmp_path_factory.mktemp("imported")
    models = sorted({case.models[0] for case in CASES.values()})
    shared_models.get(*models)
    shared_models.home.nss("models", "export", folder / "stick", *models, FACE)
    with a_home(folder) as home:
        home.environment["NSS_CARDS"] = shared_models.home.environment["NSS_CARDS"]
        told = home.json("models", "import", folder / "stick")
        assert {one["state"] for one in told["models"]} == {"installed"}, told
        yield home


@pytest.mark.parametrize("tool_id", CASES)
def test_real_without_network(imported, photo, selection, tmp_path, tool_id):
    out = tmp_path / ("result.txt" if tool(tool_id).returns is Returns.TEXT else "result.png")
    made = run(imported, tool_id, photo, selection, out, "real")
    check_kind(tool_id, made, photo, out)
    assert (made["path"], made["fault"]) == ("real", None)
    assert made["model"]["id"] == CASES[tool_id].models[0]


def test_every_model_that_has_to_be_chosen_is_run_here():
    known = cards.load(ROOT / "models").values()
    assert set(CHOSEN) == {card.id for card in known if card.opt_in}


@pytest.mark.parametrize("model", CHOSEN)
def test_a_chosen_model(shared_models, photo, selection, tmp_path, model):
    card = cards.load(ROOT / "models")[model]
    shared_models.get(model)
    out = tmp_path / ("result.txt" if tool(card.tool).returns is Returns.TEXT else "result.png")
    chosen = CHOSEN[model]
    made = run(shared_models.home, card.tool, photo, selection, out, "real", chosen)
    assert (made["path"], made["model"]["id"]) == ("real", model), made["reason"]
    assert made["model"]["sha256"].startswith("hub-declared ") == card.main_file.hub_declared
    assert made["model"]["licence"] == card.licence
    if chosen.get("factor") != "4":
        check_kind(card.tool, made, photo, out)
