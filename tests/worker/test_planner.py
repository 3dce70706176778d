"""Plans from what is known: history, limits, an environment without onnxruntime."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.bridge import codec, toolbox, wire
from shared_core.bridge.errors import NssError, UsageError
from shared_core.bridge.paths import paths
from shared_core.bridge.settings import Amount, Limits
from shared_core.catalog.card import CommercialUse
from shared_core.catalog.store import Store, Trial
from shared_core.device import profile as device
from shared_core.device.gauge import Gauge
from shared_core.tools import registry
from shared_core.worker import needs
from shared_core.worker import planner as planners
from shared_core.worker.journal import Fault, Journal
from shared_core.worker.planner import CPU, Planner, missing_onnxruntime
from tests.conftest import ROOT
from tests.fakes.contract_models import DRUNET, NAFNET, SCUNET

ASK = wire.AskPlan("deblur", 1000, 1000)
PATIENT = Limits(budget=1e6)
UNSOUND = (
    *(Amount(share=share) for share in (0.0, -0.5, 1.01, math.nan)),
    *(Amount(bytes=count) for count in (0, -5)),
    *(Amount(), Amount(share=0.5, bytes=10**9)),
)
amounts = st.builds(Amount, share=st.floats(1e-300, 1)) | st.builds(
    Amount, bytes=st.integers(1, 1 << 62)
)


@pytest.fixture(scope="module", autouse=True)
def eight_gigabytes() -> Iterator[None]:
    """Plans here shall not depend on what else this machine is doing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planners.memory, "available_bytes", lambda: 8 << 30)
        yield


def make(folder: Path) -> tuple[Planner, Journal]:
    where = paths({"NSS_HOME": str(folder)})
    journal = Journal(where.journal)
    return Planner(where, journal, Store(where)), journal


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Planner:
    return make(tmp_path_factory.mktemp("planner"))[0]


def test_without_models(planner):
    colours = replace(ASK, tool="colorize", limits=PATIENT)
    plan = planner.plan(colours)
    assert (plan.path, plan.model) == ("classical", None)
    assert plan.offer is not None and "not downloaded" in plan.reason
    assert planner.plan(replace(colours, path="real")).path is None
    denoise = replace(ASK, tool="denoise", limits=PATIENT)
    blind = planner.plan(denoise)
    told = planner.plan(replace(denoise, parameters={"strength": 10}))
    assert (blind.offer.model, told.offer.model) == (SCUNET, DRUNET)


def test_with_the_model_that_ships_alone(planner):
    plan = planner.plan(replace(ASK, limits=PATIENT))
    assert (plan.path, plan.model) == ("real", "nss-compact-deblur")
    assert plan.offer is not None and plan.offer.model == NAFNET
    assert plan.download_bytes == 91_736_251 and "not downloaded" in plan.reason


def test_the_classical_seconds_follow_what_was_measured(tmp_path):
    planner, journal = make(tmp_path)
    plain = replace(ASK, path="classical")
    guess = planner.plan(plain).seconds
    assert planner.plan(replace(plain, width=2000)).seconds == pytest.approx(2 * guess)
    journal.note_speed("classical/deblur", 7.0)
    assert planner.plan(plain).seconds == pytest.approx(7.0)
    journal.note_speed("classical/denoise", 9.0)
    assert planner.plan(plain).seconds == pytest.approx(7.0)


def test_the_models_seconds_follow_what_was_measured(tmp_path):
    planner, journal = make(tmp_path)
    card = planner.cards[NAFNET]
    guess = planner.seconds(card, CPU, 1000, 1000, {})
    assert guess and guess > 1
    journal.note_speed(f"{NAFNET}/{CPU}/512x512", 0.5)
    tiles = math.ceil((1000 - 64) / (512 - 64)) ** 2
    load = device.load_seconds(card.download_bytes)
    assert planner.seconds(card, CPU, 1000, 1000, {}) == pytest.approx(load + tiles * 0.5)
    journal.note_speed(f"{NAFNET}/{CPU}/load", 3)
    assert planner.seconds(card, CPU, 512, 512, {}) == pytest.approx(3.5)
    assert planner.seconds(card, "CUDAExecutionProvider", 512, 512, {}) != pytest.approx(3.5)


RATES = {"conv3x3": 200.0, "block_deep": 100.0, "block_full": 20.0, "attention": 50.0}


def measured() -> device.Profile:
    return device.Profile(
        cpu=device.Cpu("", 2, 2, (), RATES),
        memory=device.Memory(1, 1),
        adapters=(),
        providers=(device.Provider(CPU, "CPU", True, gflops=RATES),),
        onnxruntime="",
        key="",
        measured="",
        seconds=0,
    )


@pytest.mark.parametrize(
    ("mix", "gflop_per_second"),
    [
        ("conv", 200.0),
        ({"conv3x3": 1.0, "attention": 1.0}, 80.0),
        ("", 1 / (0.95 / 100 + 0.05 / 20)),
        # Of a card that is newer than this program.
        ("origami", 1 / (0.95 / 100 + 0.05 / 20)),
    ],
)
def test_the_seconds_follow_from_what_the_model_is_made_of(tmp_path, mix, gflop_per_second):
    planner, _ = make(tmp_path)
    planner.profile = measured()
    tiled = replace(planner.cards[DRUNET], gflop_per_megapixel=1000.0, mix=mix)
    load = device.load_seconds(tiled.download_bytes)
    seconds = planner.seconds(tiled, CPU, 512, 512, {})
    assert seconds == pytest.approx(load + 1000 * 0.512**2 / gflop_per_second)
    whole = replace(tiled, tile=None, gflop_per_megapixel=None, gflop_per_run=600.0)
    seconds = planner.seconds(whole, CPU, 5000, 5000, {})
    assert seconds == pytest.approx(load + 600 / gflop_per_second)


def test_a_trial_tells_of_the_processor_alone(tmp_path, monkeypatch):
    planner, _ = make(tmp_path)
    cuda = "CUDAExecutionProvider"
    profile = measured()
    card_rates = {kind: 10 * rate for kind, rate in RATES.items()}
    card_provider = device.Provider(cuda, "CUDA", True, gflops=card_rates)
    planner.profile = replace(profile, providers=(*profile.providers, card_provider))
    card = replace(planner.cards[DRUNET], gflop_per_megapixel=1000.0, mix="conv")
    state = planner._store.state(card)
    trial = Trial(True, "", "1.32", 3.0, 256, "", {"": 3.0})
    monkeypatch.setattr(planner._store, "state", lambda _: replace(state, trial=trial))
    load = device.load_seconds(card.download_bytes)
    assert planner.seconds(card, CPU, 512, 512, {}) == pytest.approx(load + 12)
    on_the_card = load + 1000 * 0.512**2 / 2000
    assert planner.seconds(card, cuda, 512, 512, {}) == pytest.approx(on_the_card)
    whole = replace(card, tile=None, gflop_per_megapixel=None, gflop_per_run=1000.0)
    assert planner.seconds(whole, CPU, 512, 512, {}) == pytest.approx(load + 3)
    assert planner.seconds(whole, cuda, 512, 512, {}) == pytest.approx(load + 0.5)


def test_the_peak_counts_the_runner_the_pixels_the_session_and_a_tile(tmp_path):
    planner, _ = make(tmp_path)
    card = replace(planner.cards[DRUNET], session_bytes=10**9, peak_bytes_per_pixel=1000)

    def peak(width: int, height: int) -> int:
        found = planner._candidate(card, CPU, width, height, {}).ways[0].peak_bytes
        assert found is not None
        return found

    alone = needs.RUNNER_BYTES + 10**9
    assert peak(64, 64) == alone + 1000 * 64**2 + 2 * needs.PICTURE_BYTES_PER_PIXEL * 64**2
    pixels = 4000 * 3000
    assert peak(4000, 3000) - alone - 2 * needs.PICTURE_BYTES_PER_PIXEL * pixels <= 1000 * 512**2
    card = replace(card, tile=None, peak_bytes=7)
    assert peak(10, 10) == alone + 7 + 2 * needs.PICTURE_BYTES_PER_PIXEL * 100


def on_a_card(planner: Planner, memory_total: int | None = 8 << 30) -> str:
    """A profile with a graphics card ten times as fast; the provider on it."""
    cuda = "CUDAExecutionProvider"
    card = device.Adapter("RTX", "NVIDIA", "gpu", memory_total, memory_total, "nvidia", True)
    rates = {kind: 10 * rate for kind, rate in RATES.items()}
    made = device.Provider(cuda, "CUDA", True, device="RTX", gflops=rates)
    plain = measured()
    planner.profile = replace(plain, adapters=(card,), providers=(*plain.providers, made))
    planner._gauge = Gauge(list)
    return cuda


def test_the_ways_of_a_model(tmp_path):
    planner, journal = make(tmp_path)
    card = replace(planner.cards[SCUNET], session_bytes=10**9, peak_bytes_per_pixel=1000)

    def ways(provider: str = CPU, side: int = 2000) -> dict[tuple[str, int], Any]:
        found = planner._candidate(card, provider, side, side, {}).ways
        return {(way.provider, way.tile_divisor): way for way in found}

    assert list(ways()) == [(CPU, 1), (CPU, 2)]
    usual, smaller = ways().values()
    assert usual.peak_bytes - smaller.peak_bytes == 1000 * (512**2 - 256**2)
    assert smaller.seconds > usual.seconds
    # Tiles of a picture so small would not be smaller.
    assert list(ways(side=200)) == [(CPU, 1)]
    cuda = on_a_card(planner)
    found = ways(cuda)
    assert list(found) == [(cuda, 1), (cuda, 2), (CPU, 1), (CPU, 2)]
    assert found[cuda, 1].vram_bytes == 10**9 + 1000 * 512**2
    assert found[CPU, 1].vram_bytes is None
    assert found[CPU, 1].peak_bytes - found[cuda, 1].peak_bytes == 1000 * 512**2
    journal.note_fault(Fault("denoise", SCUNET, cuda, 0, "it died", "t"))
    assert [way.fault for way in ways(cuda).values()] == ["it died", "it died", "", ""]
    # An adapter that shares the processor's memory has none of its own to run short of.
    on_a_card(planner, memory_total=None)
    shared = ways(cuda)[cuda, 1]
    assert shared.vram_bytes is None and shared.peak_bytes == found[CPU, 1].peak_bytes
    card = replace(card, tile=replace(card.tile, fixed=True))
    assert list(ways()) == [(CPU, 1)]


def test_a_limit_of_graphics_memory(tmp_path, monkeypatch):
    planner, _ = make(tmp_path)
    every = planner.cards
    monkeypatch.setattr(
        planner._known, "cards", lambda: {k: c for k, c in every.items() if not c.shipped}
    )
    ask = replace(ASK, tool="denoise", limits=replace(PATIENT, vram=Amount(bytes=10**8)))
    assert "graphics" not in planner.plan(ask).reason
    on_a_card(planner)
    # Too large for the card, the model would run on the processor all the same.
    assert planner.plan(ask).reason == "SCUNet is not downloaded, 77 MB"
    tight = replace(ask.limits, memory=Amount(bytes=4 * 10**8))
    assert "of graphics memory even in smaller tiles, 100 MB can be used" in (
        planner.plan(replace(ask, limits=tight)).reason
    )
    # What ships is there: it takes what fits.
    monkeypatch.setattr(planner._known, "cards", lambda: every)
    reason = planner.plan(ask).reason
    assert reason.startswith("in smaller tiles, since NSS compact denoiser needs")
    less = replace(ask.limits, vram=Amount(bytes=10**7))
    reason = planner.plan(replace(ask, limits=less)).reason
    assert reason.startswith("on the processor, since NSS compact denoiser needs")


def test_a_model_that_other_settings_would_take(planner):
    """Best is chosen and too slow, fast would do; what suits drawings alone is not offered."""
    ask = wire.AskPlan("upscale", 1000, 1000, parameters={"model": "best"}, limits=PATIENT)
    assert planner.plan(ask).remedy == ""
    seconds = [
        planner.seconds(planner.cards[name], CPU, 1000, 1000, {})
        for name in ("realesrgan-x4plus-x2", "realesr-general-x4v3")
    ]
    between = replace(PATIENT, budget=sum(seconds) / 2)
    plan = planner.plan(replace(ask, limits=between))
    assert (plan.path, plan.download) == ("classical", None)
    assert plan.remedy.startswith("take the model “Fast” (5 MB to download) or raise the time")


def test_an_enlargement_takes_memory_for_its_result(tmp_path):
    planner, _ = make(tmp_path)
    card = planner.cards["realesr-general-x4v3"]
    twice, fourfold = (
        planner._candidate(card, CPU, 1000, 1000, {"factor": factor}).ways[0].peak_bytes
        for factor in ("2", "4")
    )
    assert fourfold - twice == 12 * 10**6 * needs.PICTURE_BYTES_PER_PIXEL


def test_a_fault_is_in_the_plan_only_where_the_model_is(tmp_path):
    planner, journal = make(tmp_path)
    journal.note_fault(Fault("deblur", NAFNET, CPU, 0, "the worker died", "t"))
    assert "not downloaded" in planner.plan(ASK).reason


@pytest.mark.parametrize(
    "change",
    [
        {"tool": ""},
        {"tool": "colourize"},
        {"path": "byo"},
        {"path": "Real"},
        {"width": 0},
        {"height": -1},
        {"width": (1 << 20) + 1},
        {"width": 10**4000},
        *({"limits": Limits(budget=seconds)} for seconds in (0.0, -1.0, math.inf, math.nan)),
        *({"limits": Limits(memory=amount)} for amount in UNSOUND),
        *({"limits": Limits(vram=amount)} for amount in UNSOUND),
        {"parameters": {"amount": 10**400}},
        {"parameters": {"amount": math.nan}},
        {"parameters": {"kind": []}},
        {"parameters": {"colour": 1}},
    ],
)
def test_impossible_questions(planner, change):
    with pytest.raises(UsageError) as refused:
        planner.plan(replace(ASK, **change))
    assert str(refused.value).endswith(".")


# A machine that is busy with other things takes its time.
@settings(deadline=None)
@given(
    tool=st.sampled_from(["denoise", "deblur"]),
    width=st.integers(1, 1 << 20),
    height=st.integers(1, 1 << 20),
    path=st.sampled_from(wire.PATHS),
    budget=st.floats(1e-300, 1e300),
    memory=amounts,
    vram=amounts,
    profile=st.booleans(),
)
def test_every_possible_question_has_a_sound_plan(
    planner, tool, width, height, path, budget, memory, vram, profile
):
    ask = wire.AskPlan(tool, width, height, path, {}, Limits(budget, memory, vram))
    plan = planner.plan(ask)
    assert plan.path in (("classical", "real") if path != "real" else (None, "real"))
    assert plan.reason and plan.sentence()
    assert plan.path is None or (plan.seconds >= 0 and math.isfinite(plan.seconds))
    assert codec.decode(codec.encode(wire.PlanReply(plan))) == wire.PlanReply(plan)
    assert len(json.dumps(asdict(plan))) < 2000


@given(values=st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.floats()))
def test_odd_parameters_are_refused_by_name(planner, values):
    try:
        planner.plan(replace(ASK, parameters=values))
    except NssError as error:
        assert isinstance(error, UsageError)
    else:
        assert set(values) <= {"amount", "kind", "radius", "length", "angle"}


# ---------------------------------------------------------------- without onnxruntime


def test_onnxruntime_is_looked_for(monkeypatch, tmp_path):
    assert missing_onnxruntime() == ""
    real = importlib.util.find_spec
    for spec in (None, importlib.util.spec_from_loader("onnxruntime", None)):
        # A folder left by pip is a namespace package without a file.
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, s=spec: s if name == "onnxruntime" else real(name),
        )
        assert "onnxruntime is not installed" in missing_onnxruntime()
    planner, _ = make(tmp_path)
    planner.onnxruntime_trouble = missing_onnxruntime()
    assert planners.missing_onnxruntime is missing_onnxruntime
    for path, taken in (("auto", "classical"), ("real", None)):
        plan = planner.plan(replace(ASK, path=path))
        assert plan.path == taken and "onnxruntime is not installed" in plan.reason
        assert plan.offer is None and plan.download_bytes == 0


@pytest.fixture
def python_without_onnxruntime(tmp_path: Path) -> Path:
    """An environment like this one, but for onnxruntime."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    packages = tmp_path / "packages"
    packages.mkdir()
    for item in Path(sysconfig.get_path("purelib")).iterdir():
        if not item.name.startswith("onnxruntime") and item.suffix != ".pth":
            (packages / item.name).symlink_to(item)
    [site] = (tmp_path / "venv").rglob("site-packages")
    (site / "here.pth").write_text(f"{packages}\n{ROOT}\n")
    return tmp_path / "venv" / "bin" / "python"


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
def test_a_worker_without_onnxruntime_still_does_its_work(
    home: Any, tmp_path: Path, python_without_onnxruntime: Path
):
    (home.folder / "config").mkdir(parents=True)
    chosen = {"python": str(python_without_onnxruntime)}
    (home.folder / "config" / "worker.json").write_text(json.dumps(chosen))
    photo, out = tmp_path / "in.png", tmp_path / "out.png"
    cv2.imwrite(str(photo), np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8))
    for tool in ("denoise", "deblur"):
        plan = home.json("plan", tool, photo)
        assert plan["path"] == "classical" and "onnxruntime is not installed" in plan["reason"]
        assert home.json("plan", tool, photo, "--path", "real")["path"] is None
        home.nss("run", tool, photo, "-o", out, "--yes")
        receipt = json.loads(home.nss("receipt", out).stdout)
        assert receipt["path"] == "classical" and receipt["reason"] == plan["reason"]
        assert receipt["fault"] is None
    refused = home.nss("run", "deblur", photo, "-o", out, "--path", "real", ok=False)
    assert refused.returncode == 4 and "onnxruntime" in refused.stderr
    # The doctor has something to say too, or one sentence.
    assert home.nss("doctor", ok=False).returncode in (0, 5)


def test_a_plan_hashes_only_what_is_quick_to_hash(tmp_path, monkeypatch):
    planner, _ = make(tmp_path)
    card = planner.cards[NAFNET]
    folder = tmp_path / "data" / "models" / NAFNET
    folder.mkdir(parents=True)
    with (folder / card.main_file.path).open("wb") as file:
        file.truncate(card.main_file.size)
    assert card.download_bytes > planners.HASHED_AT_ONCE_BYTES
    hashed: list[str] = []
    check = planner._store.check
    monkeypatch.setattr(planner._store, "check", lambda c: (hashed.append(c.id), check(c))[1])
    plan = planner.plan(replace(ASK, path="real"))
    assert (plan.path, plan.model) == ("real", NAFNET)
    assert NAFNET not in hashed
    # Where it is quick, the plan itself finds that these are only zeros.
    monkeypatch.setattr(planners, "HASHED_AT_ONCE_BYTES", card.download_bytes)
    plan = planner.plan(replace(ASK, path="real"))
    assert (plan.model, hashed.count(NAFNET)) == ("nss-compact-deblur", 1)


# What is offered first with nothing here on a large machine, and what where commercial use must
# be allowed.
FIRST = {
    "remove-background": ("isnet-general-fp16", "isnet-general-fp16"),
    "remove-object": ("lama-carve-fp32", "lama-carve-fp32"),
    "denoise": (SCUNET, SCUNET),
    "deblur": (NAFNET, NAFNET),
    "upscale": ("realesrgan-x4plus-x2", "realesrgan-x4plus-x2"),
    "restore-faces": ("gfpgan-1.4-facefusion", "restoreformer-pp-int8w"),
    "colorize": ("ddcolor-tiny-fp16", "ddcolor-tiny-fp16"),
    "text-to-image": ("sd-turbo-ort-web", "sdxs-512-dreamshaper-cvclass"),
    "generate-background": ("sd-turbo-ort-web", "sdxs-512-dreamshaper-cvclass"),
    "tags": ("clip-vit-b32-xenova", "clip-vit-b32-xenova"),
}


@pytest.mark.parametrize("tool", toolbox.TOOLS, ids=lambda tool: tool.id)
def test_commercial_use_for_every_tool_and_choice_of_model(planner, monkeypatch, tool):
    """The default; the clean one instead; and none but clean ones where that is wanted."""
    monkeypatch.setattr(planners.memory, "available_bytes", lambda: 64 << 30)
    ask = wire.AskPlan(tool.id, 500, 400, limits=PATIENT)
    offer = planner.plan(ask).offer
    clean = planner.plan(replace(ask, commercial_only=True)).offer
    assert (offer.model, clean.model) == FIRST[tool.id]
    assert clean.commercial == "yes" and clean.instead is None
    if offer.commercial == "yes":
        assert offer == clean and offer.instead is None
    else:
        assert offer.instead.model == clean.model
        taken = replace(ask, parameters={toolbox.MODEL: offer.instead.choice})
        assert planner.plan(taken).offer.model == clean.model
    names = {parameter.id: parameter for parameter in tool.parameters}
    choices = names[toolbox.MODEL].choices if toolbox.MODEL in names else ()
    for choice in choices:
        chosen = replace(ask, parameters={toolbox.MODEL: choice})
        every = [planner.cards[card.id] for card in registry_models(planner, tool, choice)]
        allowed = [c for c in every if c.commercial_use.value == "yes"]
        plan = planner.plan(replace(chosen, commercial_only=True))
        if allowed:
            assert plan.offer.model in {card.id for card in allowed}
        else:
            assert plan.offer is None and plan.path == "classical"
            assert "only models that allow commercial use" in plan.reason
            # Chosen by name it is offered, with the clean one beside it.
            named = planner.plan(chosen).offer
            assert named.commercial != "yes" and named.instead.model == clean.model


def registry_models(planner, tool, choice):
    return registry.models(planner.cards, tool.id, tool.parse({toolbox.MODEL: choice}))


def test_an_unclear_need_counts_as_not_allowed(tmp_path, monkeypatch):
    planner, _ = make(tmp_path)
    needed = planner.cards["yunet-2023mar"]
    unclear = replace(needed, commercial_use=CommercialUse.UNCLEAR)
    cards = {**planner.cards, needed.id: unclear}
    monkeypatch.setattr(planner._known, "cards", lambda: cards)
    ask = wire.AskPlan("restore-faces", 500, 400, limits=PATIENT, commercial_only=True)
    assert planner.plan(ask).offer is None
