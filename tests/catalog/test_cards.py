"""The cards that ship, and what a wrong card is told."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared_core.bridge.errors import CouldNotBeDone
from shared_core.catalog import cards
from shared_core.catalog.cards import CommercialUse, Tier

ROOT = Path(__file__).resolve().parents[2]


def test_the_shipped_cards_are_valid_and_ordered() -> None:
    known = cards.load(ROOT / "models")
    assert set(known) >= {"nafnet-gopro-opencv", "scunet-real-psnr", "drunet-color"}
    assert [c.title for c in cards.for_tool(known, "denoise")] == ["SCUNet", "DRUNet"]
    assert [c.title for c in cards.for_tool(known, "deblur")] == ["NAFNet"]
    assert cards.for_tool(known, "no-such-tool") == []
    for card in known.values():
        assert card.main_file.path.endswith(".onnx")
        assert card.tier is Tier.STANDARD
        assert card.commercial_use is CommercialUse.YES
        assert card.gflop_per_megapixel or card.cpu_seconds_per_megapixel
    assert known["drunet-color"].takes_sigma
    assert known["drunet-color"].inputs[0].sigma_maximum == 50
    assert not known["scunet-real-psnr"].takes_sigma
    assert known["scunet-real-psnr"].download_bytes == 3_798_678 + 73_138_176
    assert known["nafnet-gopro-opencv"].tile.fixed


def test_every_fact_of_a_shipped_card_has_a_source() -> None:
    for card in cards.load(ROOT / "models").values():
        named = {fact for source in card.sources for fact in source.facts}
        for fact in ("repo", "revision", "file", "licence", "input", "output"):
            assert fact in named, (card.id, fact)
        for fact in ("size", "overlap", "multiple"):
            assert f"tile.{fact}" in named, (card.id, fact)
        for fact in (
            "gflop_per_megapixel",
            "cpu_seconds_per_megapixel",
            "peak_bytes_per_pixel",
            "session_bytes",
        ):
            assert (getattr(card, fact) is not None) == (f"cost.{fact}" in named), (card.id, fact)


def test_drunets_cost_follows_from_its_architecture() -> None:
    # UNetRes of the paper: at each of 4 scales 4 residual blocks of two 3x3 convolutions on the
    # way down and up (once at the bottom), 2x2 convolutions between the scales.
    channels = (64, 128, 256, 512)
    products = 9 * 4 * 64 + 9 * 64 * 3
    weights = products
    for scale, size in enumerate(channels):
        blocks = 8 if size < 512 else 4
        weights += blocks * 2 * 9 * size * size
        products += blocks * 2 * 9 * size * size // 4**scale
    for scale in range(3):
        weights += 2 * 4 * channels[scale] * channels[scale + 1]
        products += 2 * 4 * channels[scale] * channels[scale + 1] // 4 ** (scale + 1)
    card = cards.load(ROOT / "models")["drunet-color"]
    assert card.gflop_per_megapixel == pytest.approx(2 * products * 1e6 / 1e9, rel=1e-4)
    assert weights * 4 == pytest.approx(card.main_file.size, rel=1e-3)


def _copy(folder: Path, edit: tuple[str, str] | None = None) -> Path:
    text = (ROOT / "models/denoise/drunet-color.toml").read_text(encoding="utf-8")
    if edit is not None:
        pattern, replacement = edit
        text, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
        assert count == 1, pattern
    path = folder / "card.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ((r"^schema = 1", "schema = 2"), "schema"),
        ((r"^id = .*", 'id = "../evil"'), "id"),
        ((r"^tool = .*", 'tool = "dream"'), "tool"),
        ((r"^title = .*", 'title = ""'), "title"),
        ((r"^tier = .*", 'tier = "huge"'), "tier"),
        ((r"^rank = .*", "rank = 0"), "rank"),
        ((r"^rank = .*", "rank = true"), "rank"),
        ((r"^repo = .*", 'repo = "nobody"'), "repo"),
        ((r"^revision = .*", 'revision = "main"'), "revision"),
        ((r"^licence = .*", ""), "licence"),
        ((r"^commercial_use = .*", 'commercial_use = "maybe"'), "commercial_use"),
        ((r"^path = .*", 'path = "../drunet.onnx"'), "file[0].path"),
        ((r"^path = .*", 'path = "/etc/drunet.onnx"'), "file[0].path"),
        ((r"^path = .*", r'path = "a\\\\b.onnx"'), "file[0].path"),
        ((r"^path = .*", 'path = "drunet.bin"'), "file[0].path"),
        ((r"^size = 130.*", "size = 0"), "file[0].size"),
        ((r"^sha256 = .*", 'sha256 = "abc"'), "file[0].sha256"),
        ((r"^sha256 = .*", f'sha256 = "{"A" * 64}"'), "file[0].sha256"),
        ((r"^dtype = .*", 'dtype = "double"'), "input[0].dtype"),
        ((r"^shape = .*", 'shape = ["N", 4, "H"]'), "input[0].shape"),
        ((r"^shape = .*", 'shape = ["N", 5, "H", "W"]'), "input[0].channels"),
        ((r"^range = .*", "range = [1.0, 0.0]"), "input[0].range"),
        ((r"^multiple = .*", "multiple = 7"), "tile.size"),
        ((r"^overlap = .*", "overlap = 300"), "tile.overlap"),
        ((r"^fixed = .*", 'fixed = "no"'), "tile.fixed"),
        ((r"^gflop_per_megapixel = .*", "gflop_per_megapixel = -1"), "cost.gflop_per_megapixel"),
        ((r"^gflop_per_megapixel = .*", "gflops = 1.0"), "cost.gflops"),
        ((r"^rank = .*", "rank = 2\ncolour = 3"), "colour"),
        ((r"^certainty = .*", ""), "source[0].certainty"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(
    tmp_path: Path, edit: tuple[str, str], field: str
) -> None:
    path = _copy(tmp_path, edit)
    with pytest.raises(CouldNotBeDone) as caught:
        cards.load(tmp_path)
    assert str(path) in str(caught.value)
    assert f"field {field}:" in str(caught.value)


def test_an_unchanged_copy_is_valid(tmp_path: Path) -> None:
    _copy(tmp_path)
    assert list(cards.load(tmp_path)) == ["drunet-color"]


def test_broken_toml_two_cards_of_one_id_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(CouldNotBeDone, match="nowhere"):
        cards.load(tmp_path / "nowhere")
    path = _copy(tmp_path)
    (tmp_path / "again.toml").write_bytes(path.read_bytes())
    with pytest.raises(CouldNotBeDone, match="another card's"):
        cards.load(tmp_path)
    (tmp_path / "again.toml").write_text("id = ", encoding="utf-8")
    with pytest.raises(CouldNotBeDone, match=r"again\.toml is not valid TOML"):
        cards.load(tmp_path)
    (tmp_path / "again.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(CouldNotBeDone, match=r"again\.toml is not valid TOML"):
        cards.load(tmp_path)


def test_the_environment_names_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NSS_CARDS", raising=False)
    assert "nafnet-gopro-opencv" in cards.load()
    _copy(tmp_path)
    monkeypatch.setenv("NSS_CARDS", str(tmp_path))
    assert list(cards.load()) == ["drunet-color"]


def test_the_supervisor_can_ask_without_anything_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from shared_core.bridge.paths import paths\n"
        "from shared_core.catalog import cards, store\n"
        "s = store.Store(paths({'NSS_HOME': sys.argv[1]}))\n"
        "print([s.state(c).presence.value for c in cards.load().values()])\n"
        "heavy = {'numpy', 'onnxruntime', 'huggingface_hub', 'httpx2', 'cv2'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "status = Path('/proc/self/status')\n"
        "if status.exists():\n"
        "    peak = next(l for l in status.read_text().splitlines() if l.startswith('VmHWM'))\n"
        "    assert int(peak.split()[1]) < 25_000, peak\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "missing" in done.stdout
