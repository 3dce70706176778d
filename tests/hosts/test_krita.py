"""The plug-in in the real Krita: menu, panel, pixels, undo, receipts, kills and quitting.

A probe plug-in drives the program through its own menu entries and the panel's widgets and notes
what it sees; here it is judged against pixels that are computed apart from the product.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import plugged
import pytest
from editors import Editor, built
from PIL import Image
from roots import Profile, RootError, require_root

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fakes"))

import contract_models  # noqa: E402
import every_tool  # noqa: E402
import krita_tools  # noqa: E402
from hub import Hub  # noqa: E402

from shared_core.algorithms import blur, dct_denoise, deconvolution, noise  # noqa: E402
from shared_core.bridge import labels, toolbox  # noqa: E402

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1000)]
EDITOR = os.environ.get("NSS_TEST_KRITA", "debian13")
WIDTH, HEIGHT = 120, 90
HOME = "/home/nss/nss"
# Where U8 and U16 colours are stored blue first.
BGRA = [2, 1, 0, 3]


@dataclass(frozen=True)
class Stage:
    """Everything a start of Krita needs."""

    editor: Editor
    folder: Path
    archive: Path
    python: str

    def profile(self, name: str) -> Profile:
        """A fresh user with the plug-in and the probe installed by the project's own installer."""
        profile = self.editor.profile(self.folder / name)
        plug_ins = self.editor.krita_plug_ins(profile, enable=["nss_probe"])
        shutil.copytree(ROOT / "tests/hosts/krita_probe", plug_ins, dirs_exist_ok=True)
        settings = profile.home / ".config" / "kritarc"
        home = profile.home / "nss"
        plugged.into_krita(self.archive, plug_ins.parent, settings, home)
        plugged.name_worker(home, self.python)
        return profile

    def run(
        self, scenario: str, seconds: float = 3.0, afterwards: str = "true", **variants: Any
    ) -> tuple[Any, Any, Profile]:
        """One start of Krita with contract models from a local hub; see ``start``."""
        catalogue = self.folder / f"{scenario}-catalogue"
        contract_models.write_catalogue(
            catalogue / "cards", catalogue / "hub", variants, seconds=seconds
        )
        with Hub(catalogue / "hub") as hub:
            environment = {"NSS_CARDS": "/cards", "HF_ENDPOINT": hub.url}
            folders = {catalogue / "cards": "/cards"}
            return self.start(scenario, folders, environment, afterwards=afterwards)

    def start(
        self,
        scenario: str,
        folders: dict[Path, str],
        environment: dict[str, str],
        timeout: float = 900,
        setting: str = "",
        afterwards: str = "true",
    ) -> tuple[Any, Any, Profile]:
        """One start of Krita; what the probe found, how Krita ended, and the user's folders.

        ``afterwards`` is a command for the shell, when Krita has ended and all else is there still.
        """
        profile = self.profile(scenario)
        with (profile.home / ".config" / "kritarc").open("a", encoding="utf-8") as file:
            file.write(f"\n{setting}")
        done = self.editor.xvfb(
            ["sh", "-c", f"krita --nosplash; code=$?; {afterwards}; exit $code"],
            profile=profile,
            timeout=timeout,
            readonly={self.folder / "pictures": "/pictures", **folders},
            env={"NSS_HOME": HOME, "NSS_PROBE": scenario, **environment},
        )
        found = json.loads((profile.tmp / "probe" / "found.json").read_text("utf-8"))
        return found, done, profile


@contextlib.contextmanager
def staged(editor: Editor, folder: Path) -> Iterator[Stage]:
    """The built plug-in, and a worker's environment inside the editor."""
    wheel = plugged.build(folder / "dist")
    with editor.worker_venv(wheel, ROOT / "constraints.txt") as venv:
        yield Stage(editor, folder, folder / "dist" / "nss_krita.zip", venv.python)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Everything the starts of Krita share; skipped where there is no test editor."""
    try:
        require_root()
    except RootError as error:
        pytest.skip(str(error))
    editor = built(EDITOR)
    if editor is None:
        pytest.skip(f"the test editor {EDITOR} is not built; make test-hosts builds it")
    folder = tmp_path_factory.mktemp("krita")
    make_pictures(folder / "pictures")
    with staged(editor, folder) as made:
        yield made


@pytest.fixture(scope="module")
def main(stage: Stage) -> tuple[Any, Any, Profile]:
    """One start of Krita with all that can be seen in one."""
    found, done, profile = stage.run("main")
    assert "error" not in found, found["error"]
    assert found.get("done"), done.stderr[-3000:]
    return found, done, profile


@pytest.fixture(scope="module")
def fresh(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Profile]:
    """One start of Krita as a user has it who has just installed NSS and is offline."""
    folder = tmp_path_factory.mktemp("krita-fresh")
    make_pictures(folder / "pictures", every_tool.fresh_runs())
    # Nobody listens there.
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    found, done, profile = replace(stage, folder=folder).start("every_tool", {}, offline)
    assert found.get("done"), done.stderr[-3000:]
    return found, profile


# ---------------------------------------------------------------- pictures and expectations


def scene() -> np.ndarray:
    """A picture of edges, ramps and mild noise, encoded RGB in 0..1."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    ramp = np.stack([x / WIDTH, y / HEIGHT, (x + y) / (WIDTH + HEIGHT)], -1)
    stripes = 0.25 * np.sign(np.sin(x / 7) * np.sin(y / 9))[..., None]
    noisy = 0.2 + 0.6 * ramp + stripes * 0.4 + rng.normal(0, 0.02, (HEIGHT, WIDTH, 3))
    return np.clip(noisy, 0, 1)


def alpha_plane() -> np.ndarray:
    """Opaque, half transparent and fully transparent parts."""
    alpha = np.ones((HEIGHT, WIDTH))
    alpha[:, 50:60] = 0.5
    alpha[40:50, :] = 0.0
    return alpha


def subject_alpha() -> np.ndarray:
    """An ellipse with a soft edge, as a subject that has been cut out."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    radius = np.hypot((x - 60) / 40, (y - 45) / 32)
    return np.clip((1.1 - radius) * 10, 0, 1)


def strokes() -> bytes:
    """A red and a blue stroke on a transparent layer, blue first."""
    layer = np.zeros((HEIGHT, WIDTH, 4), "u1")
    layer[20:24, 40:80] = (30, 30, 220, 255)
    layer[60:64, 40:80] = (220, 60, 30, 255)
    return layer.tobytes()


def make_pictures(folder: Path, runs: list[dict[str, Any]] | None = None) -> None:
    """The layers' native bytes, one file for each of the probe's colour spaces, and the runs."""
    folder.mkdir()
    rng = np.random.default_rng(6)
    colours, alpha = scene(), alpha_plane()

    def integers(values: np.ndarray, dtype: str, order: list[int] | None) -> bytes:
        top = 255 if dtype == "u1" else 65535
        samples = np.round(values * top).astype(dtype)
        return (samples[..., order] if order else samples).tobytes()

    opaque = np.concatenate([colours, np.ones((HEIGHT, WIDTH, 1))], -1)
    shaped = np.concatenate([colours, alpha[..., None]], -1)
    linear = np.concatenate([decode(colours), alpha[..., None]], -1)
    beyond = linear.copy()
    beyond[10:20, 10:100, :3] = rng.uniform(-0.5, 6.0, (10, 90, 3))
    beyond[60:70, 10:100, :3] = rng.uniform(1.0, 40.0, (10, 90, 3))
    two = np.stack([colours[..., 0], alpha], -1)
    inks = np.concatenate([rng.uniform(0, 1, (HEIGHT, WIDTH, 4)), alpha[..., None]], -1)
    files = {
        "srgb8": integers(opaque, "u1", BGRA),
        "wide8": integers(shaped, "u1", BGRA),
        "linear16": integers(linear, "<u2", BGRA),
        "srgb16": integers(shaped, "<u2", BGRA),
        "linear32": beyond.astype("<f4").tobytes(),
        "srgb32": shaped.astype("<f4").tobytes(),
        "half": linear.astype("<f2").tobytes(),
        "grey8": integers(two, "u1", None),
        "grey16": integers(two, "<u2", None),
        "cmyk8": integers(inks, "u1", None),
        "lab16": integers(shaped, "<u2", None),
    }
    subject = np.concatenate([colours, subject_alpha()[..., None]], -1)
    files["subject8"] = integers(subject, "u1", BGRA)
    files["strokes8"] = strokes()
    # The detector's twin takes a green square for the middle of a face.
    opaque[33:57, 48:72, :3] = (0, 1, 0)
    files["face8"] = integers(opaque, "u1", BGRA)
    for name, data in files.items():
        (folder / f"{name}.raw").write_bytes(data)
    (folder / "runs.json").write_text(json.dumps(runs or every_tool.runs()), "utf-8")


def encode(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, linear light to encoded."""
    high = 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, high)


def decode(encoded: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, encoded to linear light."""
    high = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, high)


def network(encoded: np.ndarray, sigma: float = 40) -> np.ndarray:
    """DRUNet's twin, which every colour space is tried with: a known function of each pixel."""
    return contract_models.expected_drunet(encoded.astype(np.float32), sigma).astype(np.float64)


def blended(stored: np.ndarray, linear: bool, mask: np.ndarray) -> np.ndarray:
    """The result in the curve the pixels are stored in; what exceeds 0..1 is kept."""
    clipped = np.clip(stored, 0, 1)
    new = decode(network(encode(clipped))) if linear else network(clipped)
    return stored + mask * (new - clipped)


# AdobeRGB's primaries in sRGB's, both linear.
CLAY = np.array([[1.39835574, -0.39835574, 0], [0, 1, 0], [0, -0.04292933, 1.04292933]])
CLAY_GAMMA = 563 / 256


def read(profile: Profile, name: str) -> bytes:
    return (profile.tmp / "probe" / name).read_bytes()


def samples(data: bytes, dtype: str, channels: int) -> np.ndarray:
    return np.frombuffer(data, dtype).reshape(HEIGHT, WIDTH, channels)


# Of each space: type of a sample, channels, colour order, and the largest error in its own steps.
FORMATS: dict[str, tuple[str, int, float]] = {
    "srgb8": ("u1", 4, 1),
    "wide8": ("u1", 4, 2),
    "linear16": ("<u2", 4, 1),
    "srgb16": ("<u2", 4, 1),
    "linear32": ("<f4", 4, 2e-5),
    "srgb32": ("<f4", 4, 2e-5),
    "half": ("<f2", 4, 2e-3),
    "grey8": ("u1", 2, 1),
    "grey16": ("<u2", 2, 3),
    "cmyk8": ("u1", 5, 0),
    "lab16": ("<u2", 4, 0),
}


def expected(name: str, native: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """The colours that must come out, in steps of the space; None where no formula is at hand."""
    top = {"u1": 255, "<u2": 65535}.get(FORMATS[name][0], 1)
    values = native[..., :-1].astype(np.float64) / top
    if name in ("srgb8", "srgb16", "srgb32"):
        return blended(values, False, mask) * top
    if name in ("linear16", "linear32", "half"):
        return blended(values, True, mask) * top
    if name == "wide8":
        linear = values[..., ::-1] ** CLAY_GAMMA @ CLAY.T
        new = blended(linear, True, mask) @ np.linalg.inv(CLAY).T
        return np.clip(new, 0, 1)[..., ::-1] ** (1 / CLAY_GAMMA) * top
    if name == "grey8":
        return encode(blended(decode(values), True, mask)) * top
    if name == "grey16":
        return blended(values, True, mask) * top
    return None


# ---------------------------------------------------------------- tools and paths

RUNS = {
    "denoise-classical": ("Denoise", "classical"),
    "denoise-real": ("Denoise", "real"),
    "denoise-real-auto": ("Denoise", "real"),
    "deblur-classical": ("Deblur", "classical"),
    "deblur-real": ("Deblur", "real"),
}
MODEL = {
    "denoise-real": "DRUNet",
    "denoise-real-auto": "SCUNet",
    "deblur-real": "NAFNet",
}


@pytest.mark.parametrize("name", RUNS)
def test_menu_and_plan(main: Any, name: str) -> None:
    """The entry lies in Filter ▸ NSS and the panel says path and consent before the click."""
    notes = main[0][name]
    title, path = RUNS[name]
    assert notes["menu"] == ["Filter", "NSS", f"{title}…"]
    before = notes["before"]
    assert before["visible"] and before["apply_enabled"]
    assert before["layer"] == f"“Photo”, {WIDTH} × {HEIGHT}"
    if path == "classical":
        assert before["plan"].startswith("Classical")
    else:
        # Not downloaded yet: the size, the licence and the host are named, and nothing is ticked.
        assert MODEL[name] in before["consent"] and "MB" in before["consent"]
        for told in ("With it, ", "Licence: ", "From 127.0.0.1, once; nothing is uploaded."):
            assert told in before["consent_facts"]
        assert notes["button"] == "Download and apply"


@pytest.mark.parametrize("name", RUNS)
def test_source_untouched_and_one_undo(main: Any, name: str) -> None:
    found, _, profile = main
    notes = found[name]
    source = (profile.folder.parent / "pictures" / "srgb8.raw").read_bytes()
    assert read(profile, notes["source"]) == source
    if name == "denoise-classical":
        # What the user sees is the result, as long as no other one lies above it.
        assert read(profile, notes["shown"]) == read(profile, notes["result"]["pixels"])
    # The layer is the only thing the run put on the undo stack.
    assert notes["undo"] == "Undo Add Layer"
    gone = [layer for layer in notes["layers"] if layer[1] != notes["result"]["name"]]
    assert len(gone) == len(notes["layers"]) - 1
    assert notes["undone"]["layers"] == gone
    assert notes["redone"]["layers"] == notes["layers"]
    assert read(profile, notes["again"]) == source


@pytest.mark.parametrize("name", RUNS)
def test_result_pixels(main: Any, name: str) -> None:
    """Against the twins' known functions, and the classical algorithms called directly."""
    found, _, profile = main
    stored = samples((profile.folder.parent / "pictures" / "srgb8.raw").read_bytes(), "u1", 4)
    rgb = np.ascontiguousarray(stored[..., 2::-1]).astype(np.float32) / np.float32(255)
    if name == "denoise-classical":
        want = dct_denoise.denoise(rgb, 20.0, 0.5)
    elif name == "denoise-real":
        want = contract_models.expected_drunet(rgb, 20)
    elif name == "denoise-real-auto":
        want = contract_models.expected_scunet(rgb)
    elif name == "deblur-real":
        want = contract_models.expected_nafnet(rgb)
    else:
        chosen = blur.Blur("soft", 1.5, 0.0, 0.0, 1.0)
        want = deconvolution.deblur(rgb, chosen, 1.0, float(noise.estimate_sigma(rgb)))
    result = samples(read(profile, found[name]["result"]["pixels"]), "u1", 4)
    assert (result[..., 3] == 255).all()
    error = np.abs(result[..., 2::-1] - np.clip(want, 0, 1) * 255)
    # Whatever looks at neighbours meets the engine's own padding at the picture's rim.
    rim = {"denoise-real": 0, "deblur-real": 1, "denoise-real-auto": 1}.get(name, 16)
    error = error[rim : HEIGHT - rim, rim : WIDTH - rim]
    assert error.max() <= 1.0, (name, error.max())
    assert np.abs(result.astype(int) - stored).max() > 2, "the tool did nothing"


@pytest.mark.parametrize("name", RUNS)
def test_receipt(main: Any, name: str) -> None:
    """In the annotation, on the layer's name, in the panel; hidden while undone."""
    found, _, profile = main
    notes = found[name]
    title, path = RUNS[name]
    wrapper = notes["receipts"][notes["result"]["uuid"]]
    receipt = wrapper["receipt"]
    assert receipt["path"] == path
    maker = f"real {MODEL[name]}" if path == "real" else "classical"
    assert notes["result"]["name"].startswith(f"Photo · {title} · {maker}")
    assert receipt["image"] == {"width": WIDTH, "height": HEIGHT, "depth": "u8", "selection": False}
    assert receipt["versions"]["host"] == f"Krita {found['version']}"
    pixels = read(profile, notes["result"]["pixels"])
    assert wrapper["pixels"] == hashlib.sha256(pixels).hexdigest()
    first = notes["after"]["receipts"][0]
    assert first.startswith(f"{title}: ")
    assert first == notes["after"]["status"]
    assert first not in notes["undone"]["shown"]
    assert notes["redone"]["shown"] == notes["after"]["receipts"]
    assert notes["fields"]["path"] == path
    assert notes["fields"]["tool"] == title.lower()
    assert notes["fields"]["layer"] == notes["result"]["name"]
    if path == "real":
        assert notes["fields"]["model"]["sha256"] == receipt["model"]["sha256"]


def test_undo_and_redo_ten_times(main: Any) -> None:
    """The same layer with the same pixels, its receipt, and the same step to undo."""
    found, _, profile = main
    notes = found["denoise-real"]
    last = notes["ten"]
    for part in ("layers", "undo", "receipts"):
        assert last[part] == notes[part], part
    assert last["result"]["uuid"] == notes["result"]["uuid"]
    assert read(profile, last["result"]["pixels"]) == read(profile, notes["result"]["pixels"])
    assert last["shown"] == notes["after"]["receipts"]


def test_every_menu_entry(main: Any) -> None:
    """A tool's entry opens the panel with this tool; the others open what they name."""
    entries = main[0]["entries"]
    for tool in toolbox.TOOLS:
        entry = entries.pop(f"nss_{tool.id.replace('-', '_')}")
        assert entry["text"] == f"{tool.title}…"
        assert entry["tool"] == tool.id and entry["panel"], entry
    assert entries["nss_models_open"]["text"] == "Models…"
    assert f"Krita {main[0]['version']}" in entries.pop("nss_diagnostics_copy")["copied"]
    for name, entry in entries.items():
        assert entry["new"] or entry["dialogs"], (name, entry)


SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def test_export_with_label(main: Any, stage: Stage) -> None:
    """Krita's exporters write what is seen, the label is in it, and the document is as before."""
    found, _, profile = main
    notes, out = found["exported"], profile.tmp / "probe"
    assert notes["proposed"][0].endswith("/Export.png")
    assert notes["said"].startswith("menu.png: exported with 1 receipt")
    assert notes["document"] == [False, "", False]
    (stored,) = notes["receipts"]
    command = ["sh", "-c", "exiftool -j -G1 -struct /out/*.png /out/*.tif /out/*.jpg"]
    done = stage.editor.run(command, binds={out: "/out"}, timeout=120)
    seen = {Path(one["SourceFile"]).name: one for one in json.loads(done.stdout)}
    for name in ("menu.png", "direct.png", "direct.tif", "direct.jpg", "again.png"):
        assert seen[name]["XMP-iptcExt:DigitalSourceType"].startswith(SOURCE_TYPES)
        assert "ClayRGB" in seen[name]["ICC_Profile:ProfileDescription"]
        assert labels.read(out / name) == [stored["receipt"]]
        with Image.open(out / name) as picture:
            assert picture.size == (WIDTH, HEIGHT) and getattr(picture, "n_frames", 1) == 1
    assert labels.read(out / "hidden.png") == []
    assert "without a label" in notes["files"]["hidden.png"]
    assert not list(out.glob(".nss-*"))


def test_menu_greys_what_the_layer_does_not_allow(main: Any) -> None:
    """With the reason, while the menu is open."""
    reason = main[0]["greyed"].pop("nss_remove_object")
    assert "nothing is selected" in reason
    assert main[0]["greyed"] == {} and main[0]["grey_after"] == []


def test_receipts_survive_the_file(main: Any, stage: Stage) -> None:
    """Saved and loaded, shown again, and read from the .kra without Krita."""
    found, _, profile = main
    notes = found["saved"]
    assert notes["saved"] and len(notes["receipts"]) == len(RUNS)
    assert sorted(notes["loaded"]["shown"]) == sorted(notes["shown"])
    assert len(notes["shown"]) == len(RUNS)
    texts = labels.read(profile.tmp / "probe" / "saved.kra")
    stored = [wrapper["receipt"] for wrapper in notes["receipts"].values()]
    assert sorted(map(dump, texts)) == sorted(map(dump, stored))
    # Krita hides its panels when the last document is closed.
    assert not notes["closed"]["visible"]


def dump(data: Any) -> str:
    return json.dumps(data, sort_keys=True)


def test_copy_is_known_by_its_pixels(main: Any) -> None:
    notes = main[0]["saved"]
    assert "real" in notes["copy"]
    assert notes["plain"].endswith("no receipt.")


# ---------------------------------------------------------------- every tool


@pytest.mark.parametrize("run", every_tool.runs(), ids=lambda run: run["name"])
def test_every_tool(main: Any, run: Any) -> None:
    """The right kind of result, one undo step, one redo, a true receipt, the source untouched."""
    found, _, profile = main
    notes = found[f"tool-{run['name']}"]
    krita_tools.check(run, notes, lambda name: read(profile, name), found["version"])


@pytest.mark.parametrize("run", every_tool.fresh_runs(), ids=lambda run: run["name"])
def test_real_on_a_fresh_machine(fresh: Any, run: Any) -> None:
    """The models that ship with NSS make the pixels, and nothing is fetched."""
    found, profile = fresh
    notes = found[f"tool-{run['name']}"]
    krita_tools.check(run, notes, lambda name: read(profile, name), found["version"])


# ---------------------------------------------------------------- colour spaces


@pytest.mark.parametrize("name", FORMATS)
def test_colour_space(main: Any, name: str) -> None:
    """Native bytes outside a feathered selection stay; inside come the right colours."""
    found, _, profile = main
    notes = found[f"space-{name}"]
    dtype, channels, tolerance = FORMATS[name]
    source = (profile.folder.parent / "pictures" / f"{name}.raw").read_bytes()
    assert read(profile, notes["source"]) == source
    assert notes["result"]["space"] == notes["space"]
    native = samples(source, dtype, channels)
    result = samples(read(profile, notes["result"]["pixels"]), dtype, channels)
    mask = np.frombuffer(read(profile, notes["mask"]), "u1").reshape(HEIGHT, WIDTH)
    assert (mask == 0).any() and (mask == 255).any() and ((mask > 0) & (mask < 255)).any()
    outside = mask == 0
    assert native[outside].tobytes() == result[outside].tobytes()
    assert np.array_equal(native[..., -1], result[..., -1]), "alpha changed"
    want = expected(name, native, mask[..., None] / 255.0)
    seen = (mask == 255) & (native[..., -1] > 0)
    assert (native[seen] != result[seen]).any(-1).mean() > 0.9, "the tool did nothing"
    if want is not None:
        # What is fully transparent stays as it is.
        want = np.where(native[..., -1:] > 0, want, native[..., :-1].astype(np.float64))
        error = np.abs(result[..., :-1].astype(np.float64) - want)
        if dtype.startswith("<f"):
            error /= np.maximum(1, np.abs(want))
        assert error.max() <= tolerance, (name, error.max())
    assert notes["undo"] == "Undo Add Layer"
    assert notes["undone"]["layers"] == [x for x in notes["layers"] if " · " not in x[1]]
    assert notes["redone"]["layers"] == notes["layers"]
    # No temporary document is left.
    assert notes["documents"] == notes["documents_after"] == 1
    (wrapper,) = notes["receipts"].values()
    assert wrapper["receipt"]["image"]["selection"] is True


def test_more_than_256_levels(main: Any) -> None:
    found, _, profile = main
    result = samples(read(profile, found["space-linear16"]["result"]["pixels"]), "<u2", 4)
    assert len(np.unique(result[..., 0])) > 256


# ---------------------------------------------------------------- layers


def test_several_layers_and_offset(main: Any) -> None:
    found, _, profile = main
    notes = found["several"]
    assert set(notes["selected"]) == {"First", "Second"}
    names = [name for _, name, kind in notes["layers"] if kind == "paintlayer"]
    assert [n.split(" · ")[0] for n in names] == [
        "Background",
        "First",
        "First",
        "Second",
        "Second",
    ]
    assert notes["after"]["status"].startswith("2 layers done")
    result = next(n for n in names if n.startswith("Second ·"))
    assert notes["areas"][result] == [-30, 40, WIDTH, HEIGHT]
    stored = samples((profile.folder.parent / "pictures" / "srgb8.raw").read_bytes(), "u1", 4)
    out = samples(read(profile, notes["second"]), "u1", 4)
    want = network(stored[..., :3] / 255.0) * 255
    assert np.abs(out[..., :3] - want).max() <= 1


def test_groups(main: Any) -> None:
    found, _, profile = main
    notes = found["group"]
    assert [0, "Group · Denoise · real DRUNet", "paintlayer"] in notes["layers"]
    shown = samples(read(profile, notes["shows"]), "u1", 4)
    out = samples(read(profile, notes["result"]), "u1", 4)
    assert np.abs(out[..., :3] - network(shown[..., :3] / 255.0) * 255).max() <= 1
    inside = [name for depth, name, _ in found["inside"]["layers"] if depth == 1]
    assert inside == ["Inner", "Inner · Denoise · real DRUNet"]


def test_locks(main: Any) -> None:
    """A locked group takes no new layer, and says so; a locked layer is only read."""
    notes = main[0]["locked"]
    assert "locked" in notes["after"]["status"] and "“Group”" in notes["after"]["status"]
    assert notes["layers"] == notes["layers_before"] and notes["undo"] == notes["undo_before"]
    inner = [name for depth, name, _ in main[0]["locked-layer"]["layers"] if depth == 1]
    assert len(inner) == 3


PLACED = {
    "mask": (
        1,
        [
            [0, "Photo", "paintlayer"],
            [1, "Photo · Remove Background · classical", "transparencymask"],
        ],
    ),
    "replace": (2, [[0, "Photo · Denoise · classical", "paintlayer"]]),
    "group": (
        2,
        [
            [0, "Photo", "grouplayer"],
            [1, "Photo", "paintlayer"],
            [1, "Photo · Denoise · classical", "paintlayer"],
        ],
    ),
}


@pytest.mark.parametrize("where", PLACED)
def test_placements(main: Any, where: str) -> None:
    """What the panel promises of each: place, undo steps, and the same pixels after them."""
    notes, (steps, wanted) = main[0][f"placed-{where}"], PLACED[where]
    background = [[0, "Background", "paintlayer"]]
    assert notes["placed"] == notes["redone"] == background + wanted
    assert notes["names"] == [next(name for _, name, _ in wanted if " · " in name)]
    assert notes["steps"] == steps and notes["same"]
    assert "Changed since" not in notes["own"], notes["own"]
    assert notes["undone"] == [*background, [0, "Photo", "paintlayer"]]


def test_history_selects_and_runs_again(main: Any) -> None:
    """The source has moved into the group, and the second result lies above it there."""
    notes, (_, wanted) = main[0]["placed-group"], PLACED["group"]
    result = wanted[-1]
    assert notes["selected"] == result[1]
    assert notes["again"] == [[0, "Background", "paintlayer"], *wanted, result]


def test_layer_of_another_space(main: Any) -> None:
    """A grey layer in a colour document gives a grey layer, in one undo step."""
    notes = main[0]["foreign"]
    assert notes["result"]["space"][:2] == ["GRAYA", "U8"]
    assert notes["undone"]["layers"] == [
        x for x in notes["layers"] if x[1] != notes["result"]["name"]
    ]
    assert notes["redone"]["layers"] == notes["layers"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("empty", "is empty"), ("mask", "is a mask"), ("selection", "outside the layer")],
)
def test_bad_input(main: Any, name: str, words: str) -> None:
    """One clear sentence, and the document stays as it was."""
    notes = main[0][f"bad-{name}"]
    status = notes["after"]["status"]
    assert words in status and status.endswith(".") and "Select" in status
    assert notes["layers"] == notes["layers_before"] and notes["undo"] == notes["undo_before"]


def test_without_a_picture(main: Any) -> None:
    """Krita hides its panels and greys the entry out."""
    notes = main[0]["bad-nothing"]
    assert not notes["enabled"] and not notes["state"]["visible"]


def test_document_or_layer_gone_meanwhile(main: Any) -> None:
    document, layer = main[0]["gone-document"], main[0]["gone-layer"]
    assert "was closed meanwhile" in document["after"]["status"]
    assert "was deleted meanwhile" in layer["after"]["status"]
    for notes in (document, layer):
        assert [name for _, name, _ in notes["other"]] == ["Background"]


def test_a_tool_in_use(main: Any) -> None:
    """It is ended before a layer is read, whose pixels it has taken; a result waits for its end."""
    found, _, profile = main
    notes = found["in-use"]
    assert notes["at_work"]
    result = read(profile, notes["before"]["result"]["pixels"])
    assert result == read(profile, found["denoise-classical"]["result"]["pixels"])
    said, waiting = notes["waiting"]
    assert "waits until" in said
    assert [name for _, name, _ in waiting if "Deblur" in name] == []
    said, ended = notes["after"]
    assert said.startswith("Deblur: ") and len(ended) == len(waiting) + 1


def test_a_write_to_an_ended_worker_is_an_error(main: Any) -> None:
    """Krita's own Python would let it end Krita."""
    assert main[0]["pipe"] == "BrokenPipeError"


def test_krita_ends_well(main: Any) -> None:
    """No crash at quit, no broken history, and no pixel file left behind."""
    _, done, profile = main
    assert done.returncode == 0
    assert "changeList.memento" not in done.stderr, "Krita's history was damaged"
    assert "Traceback" not in done.stderr
    assert list((profile.home / "nss").rglob("px-*")) == []
    log = profile.home / "nss" / "cache" / "krita.log"
    assert not log.exists() or log.read_text("utf-8") == ""


# ---------------------------------------------------------------- kill, cancel, quit

PHASES = ("reading", "starting", "waiting", "tiles", "stuck", "writing", "classical")


@pytest.fixture(scope="module")
def killed(stage: Stage) -> tuple[Any, Any, Profile]:
    slow = contract_models.Variant.SLOW
    found, done, profile = stage.run("kill", seconds=4.0, **{contract_models.NAFNET: slow})
    assert "error" not in found, found["error"]
    assert found.get("done"), done.stderr[-3000:]
    return found, done, profile


def test_killed_worker_gives_classical(killed: Any) -> None:
    """kill -9 of supervisor and runner: Krita lives, the receipt says that the worker died."""
    found, done, profile = killed
    notes = found["kill"]
    assert "server" in notes["pids"] and "runner" in notes["pids"]
    assert notes["pids_after"]["server"] != notes["pids"]["server"]
    (wrapper,) = notes["receipts"].values()
    receipt = wrapper["receipt"]
    assert receipt["path"] == "classical" and receipt["model"] is None
    assert "worker" in receipt["fault"]
    assert notes["undo"] == "Undo Add Layer"
    assert done.returncode == 0
    source = (profile.folder.parent / "pictures" / "srgb8.raw").read_bytes()
    assert read(profile, notes["source"]) == source


def test_model_is_not_tried_again_until_asked(killed: Any) -> None:
    notes = killed[0]["again"]
    assert notes["before"]["plan"].startswith("Classical")
    assert notes["before"]["insist"] == "Try NAFNet again"
    last = max(notes["receipts"].values(), key=lambda wrapper: wrapper["receipt"]["started"])
    assert last["receipt"]["path"] == "classical"
    assert notes["insisted"]["status"].startswith("Real NAFNet")


def test_cancel(killed: Any) -> None:
    notes = killed[0]["again"]
    assert notes["cancelled"]["status"].startswith("Cancelled")
    assert notes["layers"] == notes["layers_before"] and notes["undo"] == notes["undo_before"]
    assert notes["pixel_files"] == 0


@pytest.mark.parametrize("phase", PHASES)
def test_cancel_at_any_time(killed: Any, record_property: Any, phase: str) -> None:
    """Krita is free at once, and nothing is left: no layer, no undo step, no pixel file."""
    notes = killed[0]["phases"][phase]
    record_property(f"free after cancel in {phase}", notes["seconds"])
    assert notes["status"] == "Cancelled; the document was not changed."
    assert notes["after"] == notes["before"] and notes["pixel_files"] == 0
    # A second is promised, and told in docs/editors.md; a machine that is busy takes longer.
    assert notes["seconds"] < 5, notes


def test_cancel_where_it_says(killed: Any) -> None:
    """Each of the clicks came when it was to come, and a run that nobody cancelled went on."""
    found = killed[0]
    assert found["elsewhere"] is None
    assert [found["phases"][name]["calls"] for name in ("reading", "writing")] == [1, 2]


def test_what_does_not_stop_is_ended(killed: Any) -> None:
    """A runner that hears nothing is given three seconds."""
    alive, seconds = killed[0]["phases"]["stuck"]["runner"]
    assert not alive and 2.5 < seconds < 20


def test_two_documents(killed: Any) -> None:
    """A run's result goes where it was begun, whatever is in view meanwhile."""
    notes = killed[0]["two"]
    idle, other, undo = notes["working"]
    assert not idle and undo == 'Undo Filter "Invert"'
    assert notes["status"].startswith("Deblur: real NAFNet")
    assert notes["other"] == other and notes["undo"] == undo
    names = [name for _, name, _ in notes["document"]]
    assert names[-1].startswith("Photo · Deblur · real NAFNet") and len(names) == 3
    assert notes["undone"] == [other, notes["document"]]
    assert notes["undo_there"] == "Undo Add Layer"
    assert [name for _, name, _ in notes["undone_there"]] == names[:-1]


def test_document_closed_in_the_middle_of_a_run(killed: Any) -> None:
    """By the user, from the menu: a sentence, and the other document as it was."""
    notes = killed[0]["closed"]
    assert notes["status"].startswith("Other was closed meanwhile")
    assert notes["after"] == notes["before"] and notes["pixel_files"] == 0


def test_quit_in_the_middle_of_a_run(stage: Stage) -> None:
    """Krita ends well; the worker lives on, does nothing, and keeps no pixels."""
    slow = contract_models.Variant.SLOW
    # The worker is given the time to end what it was doing.
    afterwards = (
        f"sleep 4; {stage.python} -m shared_core.cli worker status --json >/tmp/worker.json"
    )
    found, done, profile = stage.run(
        "quit_mid_run", seconds=3.0, afterwards=afterwards, **{contract_models.NAFNET: slow}
    )
    assert "error" not in found, found["error"]
    assert found["quit"]["during"]["status"].startswith("Real NAFNet")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert list((profile.home / "nss").rglob("px-*")) == []
    worker = json.loads((profile.tmp / "worker.json").read_text("utf-8"))
    assert worker["running"] and worker["job_running"] is None and worker["jobs_waiting"] == 0
