"""The window of the models in the real Krita, with a local hub: all that a user does there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_krita import Hub, Stage, contract_models, stage

__all__ = ["stage"]

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]
NAFNET, DRUNET, SCUNET = contract_models.NAFNET, contract_models.DRUNET, contract_models.SCUNET
PADDING, SPEED = 6_000_000, 1_500_000


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
        found, done, profile = stage.start(
            "models", {catalogue / "cards": "/cards"}, environment, timeout=300
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


def test_quitting_in_the_middle_of_a_download(shop: Any) -> None:
    """Krita ends well; what has come is kept."""
    _, done, profile, _, _ = shop
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    log = profile.home / "nss" / "cache" / "krita.log"
    assert not log.exists() or "did not end" not in log.read_text("utf-8")
    staging = profile.home / "nss" / "data" / "models" / ".staging"
    assert [one for one in staging.glob("*.part") if one.stat().st_size]
