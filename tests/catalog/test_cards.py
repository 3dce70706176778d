"""The cards that ship, and what a wrong card is told."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.toolbox import AUTO, TOOLS
from shared_core.catalog import cards
from shared_core.catalog.cards import HUB_DECLARED, CommercialUse, Tier
from shared_core.device import benchmark
from shared_core.device.profile import MIXES
from shared_core.tools.registry import SERVED_BY

ROOT = Path(__file__).resolve().parents[2]
COSTS = (
    "gflop_per_megapixel",
    "cpu_seconds_per_megapixel",
    "gflop_per_run",
    "cpu_seconds_per_run",
    "peak_bytes_per_pixel",
    "peak_bytes",
    "session_bytes",
)


def test_the_shipped_cards_are_valid_and_ordered() -> None:
    known = cards.load(ROOT / "models")
    assert set(known) >= {"nafnet-gopro-opencv", "scunet-real-psnr", "drunet-color"}
    assert [c.title for c in cards.for_tool(known, "denoise")] == [
        "SCUNet",
        "DRUNet",
        "NSS compact denoiser",
    ]
    assert [c.title for c in cards.for_tool(known, "deblur")] == [
        "NAFNet",
        "NSS compact deblur",
    ]
    assert cards.for_tool(known, "no-such-tool") == []
    for card in known.values():
        assert card.main_file.path.endswith(".onnx") or card.helper
        assert not card.takes_sigma or card.tool == "denoise" or card.takes_sharpened
        assert not card.takes_sharpened or card.tool == "deblur"
    for model in ("nafnet-gopro-opencv", "scunet-real-psnr", "drunet-color"):
        assert known[model].tier is Tier.STANDARD
        assert known[model].commercial_use is CommercialUse.YES
    assert known["drunet-color"].takes_sigma
    assert known["drunet-color"].inputs[0].sigma_maximum == 50
    assert not known["scunet-real-psnr"].takes_sigma
    assert known["scunet-real-psnr"].download_bytes == 3_798_678 + 73_138_176
    rule = known["nafnet-gopro-opencv"].tile
    assert rule is not None and rule.fixed and rule.scale == 1


# What a tool takes by itself, the first that fits; all else has to be chosen.
AUTOMATIC = {
    "remove-background": ["isnet-general-fp16", "birefnet-lite", "u2netp"],
    "remove-object": ["lama-carve-fp32", "migan-pipeline-v2"],
    "denoise": ["scunet-real-psnr", "drunet-color", "nss-compact-denoise"],
    "deblur": ["nafnet-gopro-opencv", "nss-compact-deblur"],
    "upscale": [
        "realesrgan-x4plus-x2",
        "realesrgan-x4plus",
        "realesr-general-x4v3",
        "nss-compact-upscale-x2",
        "nss-compact-upscale-x4",
    ],
    "restore-faces": ["gfpgan-1.4-facefusion", "restoreformer-pp-int8w"],
    "colorize": ["ddcolor-tiny-fp16", "ddcolor-artistic-facefusion"],
    "text-to-image": ["sd-turbo-ort-web", "sdxs-512-dreamshaper-cvclass"],
    "generate-background": [],
    "tags": ["clip-vit-b32-xenova"],
}


def test_alternatives_are_never_the_silent_default() -> None:
    known = cards.load(ROOT / "models")
    assert set(AUTOMATIC) == {tool.id for tool in TOOLS}
    for tool, wanted in AUTOMATIC.items():
        found = cards.for_tool(known, tool)
        assert [card.id for card in found if not card.opt_in] == wanted
        assert len({card.rank for card in found}) == len(found), tool


def test_every_choice_of_a_model_has_a_card_and_every_card_a_choice() -> None:
    known = cards.load(ROOT / "models")
    for tool in TOOLS:
        names = [parameter.id for parameter in tool.parameters]
        offered = set(tool.parameter("model").choices) - {AUTO} if "model" in names else set()
        serving = cards.for_tool(known, SERVED_BY.get(tool.id, tool.id))
        assert {card.choice for card in serving if card.choice} == offered, tool.id


def test_hashes_are_known_or_the_hubs_and_the_tokenizers_are_all_one() -> None:
    known = cards.load(ROOT / "models")
    words = known["clip-tokenizer-sd"]
    for card in known.values():
        for file in card.files:
            if file.role in ("vocab", "merges"):
                assert file.sha256 == words.file(file.role).sha256, card.id
    assert sorted(card.id for card in known.values() if card.hub_declared) == [
        "ddcolor-facefusion",
        "sd-turbo-ort-web",
        "sdxs-512-dreamshaper-skillsafe",
    ]


def test_every_licence_has_a_link_and_an_undeclared_one_is_unclear() -> None:
    for card in cards.load(ROOT / "models").values():
        assert card.licence_link.startswith("https://")
        assert card.commercial_note.endswith("."), card.id
        if not card.licence_url:
            assert card.repo in card.licence_link and card.revision in card.licence_link
        if "non-commercial" in card.licence:
            assert card.commercial_use is CommercialUse.NO, card.id
        elif any(word in card.licence for word in ("undeclared", "upstream", "no tag")):
            assert card.commercial_use is CommercialUse.UNCLEAR, card.id


def test_every_fact_of_a_shipped_card_has_a_source() -> None:
    for card in cards.load(ROOT / "models").values():
        named = {fact for source in card.sources for fact in source.facts}
        facts = ("file", "licence") + (() if card.shipped else ("repo", "revision"))
        for fact in facts + (("input", "output") if card.sessions() else ()):
            assert any(name.startswith(fact) for name in named), (card.id, fact)
        if card.tile:
            needed = ("size", "overlap") + (("multiple",) if card.tile.multiple > 1 else ())
            assert all(f"tile.{fact}" in named for fact in needed), card.id
        for fact in COSTS:
            assert (getattr(card, fact) is not None) == (f"cost.{fact}" in named), (card.id, fact)
        assert bool(card.mix) == ("cost.mix" in named), card.id


def test_a_mix_is_a_name_or_shares(tmp_path: Path) -> None:
    for text, wanted in (
        ('mix = "conv"', "conv"),
        ("mix = { conv3x3 = 3, attention = 0.5 }", {"conv3x3": 3.0, "attention": 0.5}),
        ("", ""),
    ):
        card = cards.read_card(_copy(tmp_path, (r"^mix = .*", text)))
        assert card.mix == wanted
        hash(card)


def test_the_shipped_mixes_are_of_kinds_that_the_probe_measures() -> None:
    measured = {kind for kind in benchmark.graphs() if kind != "resize"}
    assert {kind for mix in MIXES.values() for kind in mix} <= measured
    for card in cards.load(ROOT / "models").values():
        if isinstance(card.mix, str):
            assert card.mix in {"", *MIXES}, card.id
        else:
            assert set(card.mix) <= measured, card.id


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
        ((r"^licence_url = .*", 'licence_url = "http://example.org/"'), "licence_url"),
        ((r"^commercial_use = .*", 'commercial_use = "maybe"'), "commercial_use"),
        ((r"^path = .*", 'path = "../drunet.onnx"'), "file[0].path"),
        ((r"^path = .*", 'path = "/etc/drunet.onnx"'), "file[0].path"),
        ((r"^path = .*", r'path = "a\\\\b.onnx"'), "file[0].path"),
        ((r"^path = .*", 'path = "drunet.bin"'), "file"),
        ((r"^size = 130.*", "size = 0"), "file[0].size"),
        ((r"^sha256 = .*", 'sha256 = "abc"'), "file[0].sha256"),
        ((r"^sha256 = .*", ""), "file[0].sha256"),
        ((r"^sha256 = .*", f'sha256 = "{"A" * 64}"'), "file[0].sha256"),
        ((r"^dtype = .*", 'dtype = "double"'), "input[0].dtype"),
        ((r"^shape = .*", 'shape = ["N", 4, "H"]'), "input[0].shape"),
        ((r"^shape = .*", 'shape = ["N", 5, "H", "W"]'), "input[0].channels"),
        ((r"^sigma_max.*", 'sigma_maximum = "all"'), "input[0].sigma_maximum"),
        ((r"^sigma_max.*", "decorrelate = 1"), "input[0].decorrelate"),
        (
            (r"^channels = .*", 'channels = ["Y", "Y", "Y", "sigma"]\ndecorrelate = true'),
            "input[0].decorrelate",
        ),
        ((r"^range = .*", "range = [1.0, 0.0]"), "input[0].range"),
        ((r"^multiple = .*", "multiple = 7"), "tile.size"),
        ((r"^overlap = .*", "overlap = 300"), "tile.overlap"),
        ((r"^fixed = .*", 'fixed = "no"'), "tile.fixed"),
        ((r"^gflop_per_megapixel = .*", "gflop_per_megapixel = -1"), "cost.gflop_per_megapixel"),
        ((r"^gflop_per_megapixel = .*", "gflops = 1.0"), "cost.gflops"),
        ((r"^mix = .*", "mix = 3"), "cost.mix"),
        ((r"^mix = .*", 'mix = "3x3 and such"'), "cost.mix"),
        ((r"^mix = .*", "mix = {}"), "cost.mix"),
        ((r"^mix = .*", "mix = { conv3x3 = -0.5 }"), "mix.conv3x3"),
        ((r"^rank = .*", "rank = 2\ncolour = 3"), "colour"),
        ((r"^rank = .*", 'rank = 2\nchoice = "Big"'), "choice"),
        ((r"^rank = .*", "rank = 2\nopt_in = 1"), "opt_in"),
        ((r"^rank = .*", "rank = 2\nopt_in = true"), "opt_in"),
        ((r"^rank = .*", 'rank = 2\nhelps = ["denoise"]'), "helps"),
        ((r"^rank = .*", 'rank = 2\nhelper = true\nhelps = ["dream"]'), "helps"),
        ((r"^rank = .*", 'rank = 2\nneeds = ["nobody"]'), "needs"),
        ((r"^rank = .*", 'rank = 2\nneeds = ["drunet-color"]'), "needs"),
        ((r"^size = 130.*", 'size = 130\nrole = "UNet"'), "file[0].role"),
        ((r"^size = 130.*", 'size = 130\nrole = "unet"'), "input"),
        (
            (
                r"^size = 130.*",
                f'size = 130\nsha256 = "{HUB_DECLARED}"\n[[file]]\npath = "b.onnx"\nsize = 1',
            ),
            "file",
        ),
        ((r"^dtype = .*", 'dtype = "float32"\nrole = "unet"'), "input"),
        ((r"^dtype = .*", 'dtype = "float32"\nmean = [0.5]\nstd = [0.5]'), "input[0].mean"),
        ((r"^dtype = .*", 'dtype = "float32"\nmean = [0.5]'), "input[0].std"),
        ((r"^dtype = .*", 'dtype = "float32"\nthen = "softplus"'), "input[0].then"),
        ((r"^dtype = .*", 'dtype = "float32"\nvalue = true'), "input[0].value"),
        ((r"^shape = .*", 'shape = ["N", 4, "wide", "high"]'), "input[0].shape"),
        ((r"^layout = .*", ""), "input[0].channels"),
        ((r"^\[tile\]", "[whole]\nside = 8\n[tile]"), "whole"),
        ((r"^\[tile\]", "[whole]\nwidth = 8\n[tile]"), "whole.side"),
        ((r"^fixed = .*", "fixed = true\nscale = 0"), "tile.scale"),
        ((r"(?s)^\[tile\].*?(?=^\[cost)", ""), "input"),
        ((r"^tool = .*", 'tool = "text-to-image"'), "recipe"),
        ((r"^\[tile\]", "[recipe]\npad = 0\nmost_steps = 1\n[tile]"), "recipe.latent_scale"),
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
        # Some 20 MB with Python 3.11; numpy alone would double it.
        "    assert int(peak.split()[1]) < 35_000, peak\n"
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


HELPER = """
schema = 1
id = "words"
tool = "denoise"
title = "Words"
tier = "lite"
rank = 9
helper = true
helps = ["denoise", "deblur"]
repo = "nobody/words"
revision = "0123456789012345678901234567890123456789"
licence = "MIT"
commercial_use = "yes"
commercial_note = "MIT allows it."
[[file]]
path = "tokenizer/vocab.json"
role = "vocab"
size = 10
sha256 = "0123456789012345678901234567890123456789012345678901234567890123"
[[file]]
path = "tokenizer/merges.txt"
role = "merges"
size = 20
sha256 = "hub-declared"
[[source]]
facts = ["file"]
source = "here"
certainty = "high"
"""


def test_a_helper_needs_no_session_and_serves_no_tool_alone(tmp_path: Path) -> None:
    _copy(tmp_path, (r"^rank = .*", 'rank = 2\nneeds = ["words"]'))
    (tmp_path / "words.toml").write_text(HELPER, encoding="utf-8")
    known = cards.load(tmp_path)
    words, drunet = known["words"], known["drunet-color"]
    assert cards.for_tool(known, "denoise") == [drunet]
    assert cards.helpers(known, "deblur") == [words]
    assert cards.with_needs(known, drunet) == [drunet, words]
    assert cards.with_needs(known, words) == [words]
    assert words.sessions() == ()
    assert words.main_file.path == "tokenizer/vocab.json"
    assert words.file("merges").hub_declared and words.file("merges").sha256 == ""
    assert not words.file("vocab").hub_declared
    assert words.download_bytes == 30
    assert drunet.download_bytes == drunet.main_file.size
    assert words.run_side is None and words.tile is None
    with pytest.raises(KeyError, match="unet"):
        words.file("unet")


def test_several_sessions_have_roles_and_their_data_rides_along(tmp_path: Path) -> None:
    text = (ROOT / "models/denoise/drunet-color.toml").read_text(encoding="utf-8")
    text = text.replace('path = "drunet_color.onnx"', 'path = "a/model.onnx"\nrole = "first"')
    text = text.replace('name = "input"', 'role = "first"')
    text = text.replace('name = "output"', 'role = "first"')
    more = (
        '[[file]]\npath = "b/model.onnx.data"\nrole = "second"\nsize = 5\nsha256 = "hub-declared"\n'
        '[[file]]\npath = "b/model.onnx"\nrole = "second"\nsize = 6\nsha256 = "hub-declared"\n'
        '[[input]]\nrole = "second"\ndtype = "int64"\nshape = ["batch", 77]\n'
        '[[output]]\nrole = "second"\ndtype = "float32"\nshape = [1, 3, "4H", "2W"]\n'
    )
    text = text.replace("[tile]", f"{more}[tile]")
    (tmp_path / "card.toml").write_text(text, encoding="utf-8")
    card = cards.read_card(tmp_path / "card.toml")
    assert [(role, file.path) for role, file in card.sessions()] == [
        ("first", "a/model.onnx"),
        ("second", "b/model.onnx"),
    ]
    assert card.file("second").path == "b/model.onnx"
    assert card.main_file.path == "a/model.onnx"
    assert card.inputs[1].sized(512) == (1, 77)
    assert card.outputs[1].sized(512) == (1, 3, 2048, 1024)
