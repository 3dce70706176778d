"""The fakes: the hub speaks enough for huggingface_hub, the twins do what they promise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from shared_core.catalog import cards
from shared_core.catalog.trust.canary import try_model
from tests.fakes.contract_models import (
    DRUNET,
    MODELS,
    NAFNET,
    SCUNET,
    TWINS,
    Picture,
    Variant,
    expected_drunet,
    expected_nafnet,
    expected_scunet,
    write_catalogue,
)
from tests.fakes.hub import Hub

ROOT = Path(__file__).resolve().parents[2]


def _made(folder: Path, model: str, variant: Variant = Variant.GOOD) -> tuple[Path, cards.Card]:
    """The path of the model's twin, and its card."""
    where = folder / "cards", folder / "hub"
    write_catalogue(*where, {model: variant}, models=(model,), seconds=0.1)
    card = cards.load(folder / "cards")[model]
    return folder / "hub" / card.repo / card.revision / card.main_file.path, card


def _run(path: Path, tensor: Picture) -> Picture:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: tensor})
    return np.asarray(result[0].transpose(1, 2, 0))


@pytest.mark.parametrize("model", MODELS)
def test_a_twin_computes_what_numpy_expects(tmp_path: Path, model: str) -> None:
    path, _ = _made(tmp_path, model)
    rgb = np.random.default_rng(3).random((512, 512, 3), dtype=np.float32)
    tensor = rgb.transpose(2, 0, 1)[None]
    if model == NAFNET:
        expected = expected_nafnet(rgb)
    elif model == SCUNET:
        expected = expected_scunet(rgb)
    else:
        plane = np.full((1, 1, 512, 512), 40 / 255, np.float32)
        tensor = np.concatenate([tensor, plane], axis=1)
        expected = expected_drunet(rgb, 40)
        assert abs(expected - expected_drunet(rgb, 10)).max() > 0.01
    result = _run(path, tensor)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert abs(result - rgb).max() > 0.01


@pytest.mark.parametrize(
    ("model", "good", "bad"), [(NAFNET, 512, 256), (SCUNET, 128, 96), (DRUNET, 72, 68)]
)
def test_a_twin_refuses_the_sizes_its_model_refuses(
    tmp_path: Path, model: str, good: int, bad: int
) -> None:
    path, card = _made(tmp_path, model)
    channels = len(card.inputs[0].channels)
    assert _run(path, np.zeros((1, channels, good, good), np.float32)).shape == (good, good, 3)
    # onnxruntime's exceptions have no common base below Exception.
    with pytest.raises(Exception, match=r"size|multiple|shape"):
        _run(path, np.zeros((1, channels, bad, bad), np.float32))


@pytest.mark.parametrize("model", MODELS)
def test_the_late_fault_passes_its_trial_and_shows_on_white(tmp_path: Path, model: str) -> None:
    path, card = _made(tmp_path, model, Variant.NAN_ON_WHITE)
    assert try_model(card, path.parent).ok
    white = np.ones((1, len(card.inputs[0].channels), 512, 512), np.float32)
    assert np.isnan(_run(path, white)).all()


@pytest.mark.parametrize("model", sorted(TWINS))
def test_every_twin_passes_its_trial_and_its_faults_do_not(tmp_path: Path, model: str) -> None:
    path, card = _made(tmp_path, model)
    folder = tmp_path / "hub" / card.repo / card.revision
    trial = try_model(card, folder)
    assert trial.ok, trial.reason
    assert set(trial.seconds_by_role) == {role for role, _ in card.sessions()}
    if not card.sessions():
        return
    good = path.read_bytes()
    for variant in (Variant.NAN, Variant.WRONG_NAMES, Variant.GARBAGE):
        _made(tmp_path, model, variant)
        if path.read_bytes() == good or (variant is Variant.WRONG_NAMES and not _named(card)):
            continue
        trial = try_model(card, folder)
        assert not trial.ok and card.title in trial.reason, variant


def _named(card: cards.Card) -> bool:
    return any(spec.name for spec in (*card.inputs, *card.outputs))


def test_the_slow_twin_gives_the_picture_back(tmp_path: Path) -> None:
    path, card = _made(tmp_path, NAFNET, Variant.SLOW)
    assert try_model(card, path.parent).ok
    rgb = np.random.default_rng(3).random((1, 3, 64, 64), dtype=np.float32)
    np.testing.assert_allclose(_run(path, rgb), rgb[0].transpose(1, 2, 0), atol=1e-6)


def test_the_cost_twin_is_as_large_as_nafnet_of_width_32(tmp_path: Path) -> None:
    _, card = _made(tmp_path, NAFNET, Variant.COST)
    parameters = 17.1e6
    assert card.main_file.size / 4 == pytest.approx(parameters, rel=0.01)
    assert card.gflop_per_megapixel == pytest.approx(487, rel=0.001)


def test_huggingface_hubs_own_download_works_with_the_hub(tmp_path: Path) -> None:
    path, card = _made(tmp_path, SCUNET)
    (path.parent / "config.json").write_text('{"a": 1}', encoding="utf-8")
    script = (
        "import sys\n"
        "from huggingface_hub import HfApi, hf_hub_download, snapshot_download\n"
        "repo, revision, folder = sys.argv[1:]\n"
        "info = HfApi().model_info(repo, revision=revision, files_metadata=True)\n"
        "assert info.sha == revision == HfApi().model_info(repo).sha\n"
        "names = [file.rfilename for file in info.siblings]\n"
        "assert HfApi().list_repo_files(repo, revision=revision) == names\n"
        "snapshot_download(repo, revision=revision, local_dir=folder + '-all')\n"
        "for file in HfApi().get_paths_info(repo, names, revision=revision):\n"
        "    [same] = [s for s in info.siblings if s.rfilename == file.path]\n"
        "    assert (file.size, file.lfs, file.blob_id) == (same.size, same.lfs, same.blob_id)\n"
        "for file in info.siblings:\n"
        "    print(file.rfilename, file.size, file.lfs.sha256 if file.lfs else '-')\n"
        "    hf_hub_download(repo, file.rfilename, revision=revision, local_dir=folder)\n"
    )
    with Hub(tmp_path / "hub") as hub:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("HF_") and not name.lower().endswith("_proxy")
        }
        done = subprocess.run(
            [sys.executable, "-c", script, card.repo, card.revision, str(tmp_path / "got")],
            env={
                **kept,
                "HF_ENDPOINT": hub.url,
                "HF_HOME": str(tmp_path / "hf"),
                "HF_HUB_DISABLE_XET": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    for file in card.files:
        assert f"{file.path} {file.size} {file.sha256}" in done.stdout
        for folder in ("got", "got-all"):
            got = (tmp_path / folder / file.path).read_bytes()
            assert got == (path.parent / file.path).read_bytes()
    assert (tmp_path / "got/config.json").read_text(encoding="utf-8") == '{"a": 1}'


def test_both_fakes_work_as_commands(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "tests/fakes/contract_models.py", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"NSS_CARDS={tmp_path / 'cards'}" in made.stdout
    assert set(cards.load(tmp_path / "cards")) >= set(MODELS)
    child = subprocess.Popen(
        [sys.executable, "tests/fakes/hub.py", str(tmp_path / "hub"), "--fault", ".onnx=flip:5"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline().startswith("http://127.0.0.1:")
    child.stdin.close()
    assert child.wait(120) == 0
