"""The plug-in in the real GIMP: procedures, pixels, receipts, refusals, a killed worker, undo.

Batch scripts call the installed procedures and write out native bytes and notes; here they are
judged against pixels that are computed apart from the product.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editors import Editor, built
from roots import Profile, RootError, require_root

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fakes"))

import contract_models  # noqa: E402
from hub import Hub  # noqa: E402

from shared_core.algorithms import blur, dct_denoise, deconvolution, noise  # noqa: E402
from shared_core.bridge import labels  # noqa: E402

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]
EDITOR = os.environ.get("NSS_TEST_GIMP", "debian13")
SCRIPTS = Path(__file__).parent / "gimp_scripts"
WIDTH, HEIGHT = 120, 90
HOME = "/home/nss/nss"


@dataclass(frozen=True)
class Stage:
    """Everything a start of GIMP needs."""

    editor: Editor
    folder: Path
    archive: Path
    python: str

    def profile(self, name: str) -> Profile:
        """A fresh user with the plug-in installed by the project's own installer."""
        profile = self.editor.profile(self.folder / name)
        config = self.editor.gimp_plug_ins(profile).parent
        script("install.py", "gimp", self.archive, "--config", config)
        home = {"NSS_HOME": str(profile.home / "nss")}
        script("install.py", "worker", self.python, environment=home)
        (self.folder / f"{name}-out").mkdir()
        return profile

    @contextlib.contextmanager
    def mounts(self, name: str, seconds: float, variants: Any) -> Iterator[dict[str, Any]]:
        """A catalogue of contract models and the hub that serves them, as options of a run."""
        catalogue = self.folder / f"{name}-catalogue"
        contract_models.write_catalogue(
            catalogue / "cards",
            catalogue / "hub",
            variants,
            seconds=seconds,
            gflop_per_megapixel=dict.fromkeys(variants, 0.1),
        )
        with Hub(catalogue / "hub") as hub:
            yield {
                "profile": self.profile(name),
                "binds": {self.folder / f"{name}-out": "/out"},
                "readonly": {
                    catalogue / "cards": "/cards",
                    self.folder / "pictures": "/pictures",
                    SCRIPTS: "/scripts",
                },
                "env": {
                    "NSS_HOME": HOME,
                    "NSS_CARDS": "/cards",
                    "HF_ENDPOINT": hub.url,
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
            }

    def batch(self, name: str) -> list[str]:
        """The arguments that have GIMP run a script and quit."""
        code = (
            "import runpy, sys; sys.path.insert(0, '/scripts'); "
            f"runpy.run_path('/scripts/{name}.py')"
        )
        return ["--batch-interpreter=python-fu-eval", "-b", code, "--quit"]

    def run(self, name: str, seconds: float = 3.0, **variants: Any) -> Run:
        """One start of GIMP's console; what the script noted, and how GIMP ended."""
        with self.mounts(name, seconds, variants) as options:
            done = self.editor.run(
                [self.editor.gimp_console, "-i", *self.batch(name)], timeout=400, **options
            )
        return Run(self.folder / f"{name}-out", done, options["profile"])


@dataclass(frozen=True)
class Run:
    """A finished start of GIMP."""

    out: Path
    done: Any
    profile: Profile

    @property
    def found(self) -> Any:
        """The script's notes."""
        file = self.out / "found.json"
        assert file.exists(), self.done.stdout + self.done.stderr
        return json.loads(file.read_text("utf-8"))

    def read(self, name: str) -> bytes:
        """Bytes that the script wrote."""
        return (self.out / name).read_bytes()


def script(name: str, *arguments: object, environment: dict[str, str] | None = None) -> None:
    """Run one of the packaging scripts."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "packaging" / name), *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The built plug-in and a worker's environment inside the test editor."""
    try:
        require_root()
    except RootError as error:
        pytest.skip(str(error))
    editor = built(EDITOR)
    if editor is None:
        pytest.skip(f"the test editor {EDITOR} is not built; make test-hosts builds it")
    folder = tmp_path_factory.mktemp("gimp")
    script("build.py", "--out", folder / "dist", "gimp", "wheel")
    make_pictures(folder / "pictures")
    (wheel,) = (folder / "dist").glob("*.whl")
    with editor.worker_venv(wheel, ROOT / "constraints.txt") as venv:
        yield Stage(editor, folder, folder / "dist" / "nss_gimp.zip", venv.python)


@pytest.fixture(scope="module")
def main(stage: Stage) -> Run:
    """One start of GIMP's console with all that can be seen in one."""
    run = stage.run("main")
    assert run.found.get("done") and run.done.returncode == 0, run.done.stdout + run.done.stderr
    return run


# ---------------------------------------------------------------- pictures and expectations

# Of each format: type of a sample, channels, whether linear, and the largest error in its steps.
FORMATS: dict[str, tuple[str, int, bool, float]] = {
    "srgb8": ("u1", 4, False, 1),
    "opaque8": ("u1", 3, False, 1),
    "wide8": ("u1", 4, False, 2),
    "srgb16": ("<u2", 4, False, 1),
    "linear16": ("<u2", 4, True, 1),
    "linear32": ("<f4", 4, True, 2e-5),
    "srgb32": ("<f4", 4, False, 2e-5),
    "wide32": ("<f4", 4, True, 3e-4),
    "half": ("<f2", 4, True, 2e-3),
    "grey8": ("u1", 2, False, 1),
    "greyonly8": ("u1", 1, False, 1),
    "grey32": ("<f4", 2, True, 2e-5),
}
WITHOUT_ALPHA = ("opaque8", "greyonly8")
# AdobeRGB's primaries in sRGB's, both linear.
CLAY = np.array([[1.39835574, -0.39835574, 0], [0, 1, 0], [0, -0.04292933, 1.04292933]])


def make_pictures(folder: Path) -> None:
    """The layers' native bytes, one file for each format."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    ramp = np.stack([x / WIDTH, y / HEIGHT, (x + y) / (WIDTH + HEIGHT)], -1)
    stripes = 0.1 * np.sign(np.sin(x / 7) * np.sin(y / 9))[..., None]
    colours = np.clip(0.2 + 0.6 * ramp + stripes + rng.normal(0, 0.02, ramp.shape), 0, 1)
    alpha = np.ones((HEIGHT, WIDTH, 1))
    alpha[:, 50:60] = 0.5
    alpha[40:50, :] = 0.0
    write = folder.joinpath
    write("opaque-srgb8.raw").write_bytes(stored(np.dstack([colours, np.ones_like(alpha)]), "u1"))
    for kind, (dtype, channels, linear, _) in FORMATS.items():
        values = decode(colours) if linear else colours.copy()
        if dtype.startswith("<f"):
            values[30:36, 10:100] = rng.uniform(-0.5, 6.0, (6, 90, 3))
            values[60:66, 10:100] = rng.uniform(1.0, 40.0, (6, 90, 3))
        values = values[..., : 1 if channels < 3 else 3]
        if kind not in WITHOUT_ALPHA:
            values = np.dstack([values, alpha])
        write(f"{kind}.raw").write_bytes(stored(values, dtype))


def top(dtype: str) -> int:
    return {"u1": 255, "<u2": 65535}.get(dtype, 1)


def stored(values: np.ndarray, dtype: str) -> bytes:
    scaled = values * top(dtype)
    return (np.round(scaled) if top(dtype) > 1 else scaled).astype(dtype).tobytes()


def samples(data: bytes, kind: str) -> np.ndarray:
    dtype, channels, _, _ = FORMATS[kind]
    return np.frombuffer(data, dtype).reshape(HEIGHT, WIDTH, channels)


def encode(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, linear light to encoded."""
    high = 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, high)


def decode(encoded: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, encoded to linear light."""
    high = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, high)


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
    for tool in ("denoise", "deblur", "receipts"):
        notes = main.found[f"procedure-{tool}"]
        assert notes["menu"] == ["<Image>/Filters/NSS"]
        assert notes["label"] == f"{tool.capitalize()}…"
    assert {"strength-auto", "strength", "detail", "path", "consent"} <= set(
        main.found["procedure-denoise"]["arguments"]
    )


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
    assert "not set up" in notes["message"] and "installer" in notes["message"]
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
    out = samples(main.read(notes["results"][0]["pixels"]), "srgb8")
    assert np.abs(out[..., :3] - network(shown[..., :3] / 255) * 255).max() <= 1
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


def open_denoise(inside: Any) -> None:
    """Filters ▸ NSS ▸ Denoise… with the keyboard; waits for the dialog."""
    for keys in (["alt+r"], ["End", "Right"], ["Down"], ["Return"]):
        inside.also(["xdotool", "key", *keys])
        time.sleep(0.7)
    await_window(inside, "^NSS: Denoise")
    time.sleep(1.5)


def test_window(stage: Stage) -> None:
    """From the menu through the dialog; one Ctrl+Z removes the result, Ctrl+Y brings it back."""
    out = stage.folder / "gui-out"
    with stage.mounts("gui", 3.0, {}) as options:
        arguments = ["-s", *stage.batch("gui")[:-1]]
        with stage.editor.on_display([stage.editor.gimp, *arguments], **options) as inside:
            before = await_state(out, lambda state: len(state["layers"]) == 1, 120)
            window = await_window(inside, f"{WIDTH}x{HEIGHT}")
            # A narrow status bar would make GIMP show the message in a box.
            inside.also(["xdotool", "windowsize", window, "1596", "970"])
            inside.also(["xdotool", "mousemove", "1500", "960"])
            time.sleep(1)
            open_denoise(inside)
            inside.also(["xdotool", "key", "Escape"])
            time.sleep(1)
            assert await_state(out, lambda _: True) == before
            open_denoise(inside)
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
            (out / "stop").touch()
