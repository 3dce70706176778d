"""The window of the models in the real Krita, with a local hub: all that a user does there."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_krita import Hub, Stage, contract_models, stage

from tests.fakes.contracts import strangers

__all__ = ["stage"]

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]
NAFNET, DRUNET, SCUNET = contract_models.NAFNET, contract_models.DRUNET, contract_models.SCUNET
PADDING, SPEED = 6_000_000, 1_500_000
MINE = strangers.enhancer(strangers.Contract(high=255.0, order="BGR", opaque=True))


class Offline(threading.Thread):
    """Cuts the hub off once the probe says that the rest goes without it, until it asks again."""

    def __init__(self, hub: Hub, sign: Path) -> None:
        super().__init__(daemon=True)
        self.hub, self.sign = hub, sign
        self.asked = -1

    def run(self) -> None:
        while not self.sign.exists():
            time.sleep(0.05)
        self.asked = len(self.hub.requests)


@pytest.fixture(scope="module")
def shop(stage: Stage) -> Iterator[Any]:
    """One start of Krita; what the probe found, the end of Krita, the user's folders, the hub."""
    catalogue = stage.folder / "models-catalogue"
    contract_models.write_catalogue(
        catalogue / "cards", catalogue / "hub", padding=PADDING, models=(NAFNET, DRUNET, SCUNET)
    )
    with Hub(catalogue / "hub") as hub:
        hub.fault("scunet_color_real_psnr.onnx", "flip", at=100)
        hub.fault(".onnx", "slow", at=SPEED)
        watching = Offline(hub, stage.folder / "models" / "tmp" / "probe" / "offline")
        watching.start()
        environment = {"NSS_CARDS": "/cards", "HF_ENDPOINT": hub.url}
        brought = stage.folder / "brought"
        brought.mkdir()
        (brought / "mine.onnx").write_bytes(MINE)
        (brought / "twice.onnx").write_bytes(strangers.enhancer(strangers.Contract(scale=2)))
        found, done, profile = stage.start(
            "models", {catalogue / "cards": "/cards", brought: "/own"}, environment, timeout=400
        )
        assert "error" not in found, found["error"]
        assert found.get("done"), done.stderr[-3000:]
        yield found, done, profile, hub, watching


def test_the_window(shop: Any) -> None:
    found = shop[0]
    assert found["path"] == ["Filter", "NSS", "Models…"]
    modal, visible, machine = found["window"]
    assert visible and not modal and machine
    assert found["heads"] == ["Denoise", "Deblur"]


def test_consent(shop: Any) -> None:
    found = shop[0]
    assert found["asked"]["asked"]
    asked = found["asked"]["facts"]
    for words in ("With it, ", "Licence: MIT.", "127.0.0.1", "nothing is uploaded"):
        assert words in asked, asked
    assert found["dismissed"] == {
        **found["dismissed"],
        "state": "not downloaded",
        "asked": False,
    }


def test_progress_cancel_and_going_on(shop: Any) -> None:
    found, _, _, hub, _ = shop
    assert "MB of" in found["coming"]["doing"] and "MB/s" in found["coming"]["doing"]
    assert found["cancelled"]["said"] == "Cancelled. What has come already is kept."
    assert found["cancelled"]["seconds"] < 3
    assert found["ready"]["said"] == "NAFNet is ready."
    begun, continued = hub.downloads("deblurring_nafnet_2025may.onnx")
    assert continued.range and begun.sent < PADDING


def test_a_wrong_file(shop: Any) -> None:
    wrong = shop[0]["wrong"]
    assert wrong["said"].startswith("⚠ ") and "got SHA-256" in wrong["said"]
    assert "ready" not in wrong["state"] and not wrong["modal"]


def test_a_folder_without_network(shop: Any) -> None:
    found, _, _, hub, watching = shop
    assert "not downloaded" in found["removed"]["state"]
    assert "NAFNet: here and ready." in found["imported"]["said"]
    later = hub.requests[watching.asked :]
    assert watching.asked > 0
    assert not [one for one in later if "nafnet" in one.path.lower()]


def test_a_model_of_one_s_own(shop: Any) -> None:
    """Looked at, corrected, tried, added; the next run takes it, and its receipt says so."""
    notes, profile = shop[0]["own"], shop[2]
    assert notes["nothing"]["said"] == "⚠ Choose a file first."
    assert "it enlarges 2 times" in notes["misfit"]["said"]
    assert notes["misfit"]["said"].endswith("Add it for Upscale.")
    assert notes["misfit"]["preview"] == [0, 0] and not notes["misfit"]["fields"]
    seen, corrected = notes["seen"], notes["corrected"]
    assert (seen["fields"]["values"], seen["fields"]["order"]) == ("0..255", "rgb")
    assert corrected["fields"]["order"] == "bgr"
    assert "of memory" in corrected["facts"] and not corrected["modal"]
    width, height = corrected["preview"]
    assert width > 1.9 * height > 0
    assert "My denoiser is here as own.mine" in notes["added"]["said"]
    assert "ready" in notes["state"]
    run = notes["run"]
    assert "My denoiser" in run["before"]["plan"]
    [kept] = run["receipts"].values()
    receipt = kept["receipt"]
    assert receipt["path"] == "byo"
    assert receipt["model"]["file"] == "mine.onnx"
    assert receipt["model"]["sha256"] == hashlib.sha256(MINE).hexdigest()
    assert run["result"]["name"] == "Photo · Denoise · your model My denoiser"
    source, result = (samples(profile, notes["run"][name]) for name in ("source", "result"))
    expected = np.clip(strangers.expected_enhanced(source[..., 2::-1] / 255), 0, 1) * 255
    assert np.abs(result[..., 2::-1] - expected).max() <= 0.51
    # What it cannot be told it is not asked for, and the panel says so.
    for told in (notes["before"]["plan"], notes["after"]["status"]):
        assert "My denoiser takes no chosen strength" in told


def samples(profile: Any, told: Any) -> Any:
    """A layer's pixels as the probe wrote them: height, width, and blue first."""
    name = told["pixels"] if isinstance(told, dict) else told
    data = (profile.tmp / "probe" / name).read_bytes()
    return np.frombuffer(data, np.uint8).reshape(90, 120, 4).astype(float)


def test_quitting_in_the_middle_of_a_download(shop: Any) -> None:
    """Krita ends well; what has come is kept."""
    _, done, profile, _, _ = shop
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    log = profile.home / "nss" / "cache" / "krita.log"
    assert not log.exists() or "did not end" not in log.read_text("utf-8")
    staging = profile.home / "nss" / "data" / "models" / ".staging"
    assert [one for one in staging.glob("*.part") if one.stat().st_size]
