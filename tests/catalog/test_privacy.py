"""``nss doctor --privacy``: everything in our folders is told, and every contact."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared_core.bridge import settings
from shared_core.bridge.contacts import Errand
from shared_core.bridge.paths import Paths, paths
from shared_core.catalog import privacy
from shared_core.cli import privacy as cli_privacy


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    return paths({"NSS_HOME": str(tmp_path / "home")})


def test_a_fresh_machine_keeps_nothing_and_contacted_nobody(where: Paths) -> None:
    assert privacy.kept(where) == []
    told = cli_privacy.text(where)
    assert "What was contacted\n  nothing, ever\n" in told
    assert privacy.data(where)["contacts"] == []


def test_everything_on_the_disk_is_told(where: Paths, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    settings.change(where.settings, {"models_folder": str(moved)})
    for file, size in (
        (moved / "scunet" / "a.onnx", 3_000_000),
        (where.models.parent / "elsewhere" / ".staging" / "b.part", 10),
        (where.journal, 20),
        (where.log, 30),
        (where.cache / "labels" / "x.npy", 40),
        (where.data / "a stranger", 50),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(size))
    (where.data / "link").symlink_to(tmp_path)
    found = {Path(one.path).name: one for one in privacy.kept(where)}
    assert (found["elsewhere"].bytes, found["elsewhere"].files) == (3_000_010, 2)
    assert found["elsewhere"].what.startswith("models")
    assert (found["labels"].bytes, found["labels"].files) == (40, 1)
    assert found["a stranger"].what == "" and found["journal.json"].what
    assert found["link"].files == 1
    told = cli_privacy.text(where)
    for line in (
        f"  {where.journal}\n    how fast models run here",
        "a stranger\n    not known to this version of NSS: 1 file, 50 bytes",
        f"  {moved}\n    models, your own among them, and what was found out about their files: "
        "2 files, 3 MB",
        "In your documents and exported files: the receipts of results.",
    ):
        assert line in told, told


def test_every_contact_is_told(where: Paths) -> None:
    for host in ("huggingface.co", "cdn.example"):
        Errand(where, "NAFNet (nafnet): x.onnx").sending(host)
    Errand(where, "NAFNet (nafnet): x.onnx").received("cdn.example", 92_000_000)
    Errand(where, "SCUNet (scunet): y.onnx").sending("huggingface.co", account=True)
    told = cli_privacy.text(where)
    assert "  huggingface.co: 2 requests, 0 bytes received\n" in told
    assert "  cdn.example: 1 request, 92 MB received\n    NAFNet (nafnet): x.onnx\n" in told
    assert "with your account's token" in told
    data = privacy.data(where)
    assert {(one["host"], one["requests"]) for one in data["contacts"]} == {
        ("huggingface.co", 1),
        ("cdn.example", 1),
    }
    assert Path(data["log"]).is_file()
