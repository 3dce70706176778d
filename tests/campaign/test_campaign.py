"""A few per cent of the campaign, and the faults that it once found, on every change."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_core.bridge import wire
from tests.fakes.contract_models import NAFNET, Variant

from . import download_kills, downloads, kills, messages, plans, report, soak, strangers, sweep
from .shop import Shop, a_shop
from .stage import CASES, Case, Stage, a_stage

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the seam needs Unix signals")

TOOLS = ("denoise", "restore-faces")
SHARE = 0.02
KILLS = 2
SOAK_MINUTES = 0.15
# Each was once answered wrongly.
FOUND = (
    {"tool": "upscale", "where": "run", "number": 2, "do": "infinite"},
    {"tool": "denoise", "where": "open", "number": 1, "do": "changed"},
    {"tool": "denoise", "where": "run", "number": 2, "do": "memory"},
    {
        "tool": "restore-faces",
        "where": "run",
        "number": 1,
        "do": "nan",
        "path": wire.CLASSICAL,
        "asked": wire.CLASSICAL,
        "model": "yunet-2023mar",
    },
)


def case_of(tool: str) -> Case:
    return next(case for case in CASES if case.tool == tool)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with a_stage(tmp_path_factory.mktemp("campaign") / "stage") as made:
        yield made


@pytest.fixture(scope="module")
def known(stage: Stage) -> dict[str, sweep.Known]:
    tools = {*TOOLS, *(str(fault["tool"]) for fault in FOUND)}
    return sweep.prepare(stage, tuple(case for case in CASES if case.tool in tools))


def test_a_share_of_the_faults(stage: Stage, known: dict[str, sweep.Known]) -> None:
    cases = tuple(case_of(tool) for tool in TOOLS)
    # Hangs are waited for; the whole campaign has them all.
    every = [f for f in sweep.every_fault(known, cases) if f.do not in ("hang", "freeze")]
    assert len(every) > 100
    tally = sweep.Tally()
    for fault in sweep.sample(every, SHARE, seed=1):
        sweep.suffer(stage, fault, known[fault.case.tool], tally)
    assert tally.faults == [], stage.log()[-3000:]
    assert tally.runs == tally.results + tally.refused == tally.provoked


@pytest.mark.parametrize("fields", FOUND, ids=lambda f: f"{f['tool']}-{f['do']}-{f['where']}")
def test_what_was_once_wrong(stage: Stage, known: dict[str, sweep.Known], fields: dict) -> None:
    rest = {name: value for name, value in fields.items() if name != "tool"}
    fault = sweep.Fault(1, case_of(fields["tool"]), **rest)
    tally = sweep.Tally()
    sweep.suffer(stage, fault, known[fields["tool"]], tally)
    assert tally.faults == [], stage.log()[-3000:]
    assert tally.results == 1


def test_the_witness_is_not_fooled(stage: Stage, known: dict[str, sweep.Known]) -> None:
    """A wrong label, were there one, is found: what is right for one path is not for the other."""
    both = known["denoise"]
    assert both.real.difference(both.classical) > 8
    stage.inject(None)
    made = stage.run(case_of("denoise"), wire.REAL)
    attempts = stage.witness()
    fault = sweep.Fault(1, case_of("denoise"), "run", 1, "error")
    lie = made.__class__(
        made.code,
        {**made.receipt, "path": wire.CLASSICAL, "model": None, "fault": "injected fault"},
        made.result,
        made.said,
    )
    tally = sweep.Tally()
    sweep.judge(fault, lie, attempts, 1, both, tally)
    assert len(tally.wrong_labels) == 1
    assert len(tally.wrong_pixels) == 1


def test_a_short_soak(stage: Stage, known: dict[str, sweep.Known]) -> None:
    # Hangs are waited for, and full disks hold up everybody; the whole soak has them.
    stage.inject(None)
    for longer in range(6):
        soaked = soak.Soak(stage, {tool: known[tool] for tool in TOOLS}, 1, [])
        tally = soaked.run(SOAK_MINUTES * 2**longer, lambda text: None)
        assert tally.faults == [], stage.log()[-3000:]
        # A slow machine does not get to all of it in the shortest time.
        if min(tally.real, tally.classical, tally.jobs - 5) > 0:
            return
    pytest.fail(f"{tally.jobs} jobs only, {tally.real} of them real")


# From here on the environment names another home: what plays on the first stage stands above.
@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    options = {"variants": {NAFNET: Variant.SLOW}, "gflop_per_megapixel": {NAFNET: 0.1}}
    models = [NAFNET, case_of("denoise").model]
    folder = tmp_path_factory.mktemp("slow") / "stage"
    with a_stage(folder, models=models, seconds=0.05, **options) as made:
        yield made


@pytest.fixture(scope="module")
def slow_known(slow: Stage) -> sweep.Known:
    return sweep.prepare(slow, (case_of("deblur"),))["deblur"]


@pytest.mark.parametrize("victim", [kills.RUNNER, kills.SUPERVISOR])
def test_a_few_kills(slow: Stage, slow_known: sweep.Known, victim: str) -> None:
    deblur = case_of("deblur")
    usual = kills.usual_seconds(slow, deblur)
    deaths = kills.Deaths(victim)
    chance = random.Random(victim)
    for _ in range(KILLS):
        kills.kill(slow, deblur, slow_known, chance, usual, deaths)
    assert deaths.faults == [], slow.log()[-3000:]
    assert deaths.real + deaths.classical == KILLS


@pytest.mark.usefixtures("slow_known")
def test_plans_wait_for_no_download(slow: Stage) -> None:
    found = plans.measure(slow, case_of("deblur"), case_of("denoise"), slow.hub, 5)
    # The download stands still until all plans are there, so none can have waited for it.
    assert {state: len(taken) for state, taken in found.items()} == dict.fromkeys(found, 5)
    assert len(plans.table(found)) == len(found) == 4


# Seeds of chance whose faults take no long waits.
DOWNLOADS = 12


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with a_shop(tmp_path_factory.mktemp("downloads") / "shop") as made:
        yield made


def test_a_share_of_the_downloads(shop: Shop) -> None:
    tally = downloads.Tally()
    for case in downloads.cases(shop, DOWNLOADS, seed=1):
        downloads.suffer(shop, case, tally)
    assert tally.faults == []
    assert tally.runs == tally.overcome + tally.refused == DOWNLOADS
    assert tally.struck > DOWNLOADS / 2


def test_the_judge_of_downloads_is_not_fooled(shop: Shop) -> None:
    """What should not be is found: a wrong file, a part that comes again, a muddled message."""
    case = downloads.Case(0, "bare", (), ("weights.bin", 700_000, True))
    tally = downloads.Tally()
    downloads.suffer(shop, case, tally)
    assert tally.faults == []
    assert shop.bytes_to_come("bare") == 0
    place = shop.store.folder(shop.cards["bare"]) / "weights.bin"
    right = place.read_bytes()
    place.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    assert shop.wrong_files() == ["bare/weights.bin"]
    assert shop.bytes_to_come("bare") == len(right)
    (place.parent / "other.tmp").touch()
    assert shop.strays() == ["bare/other.tmp"]
    for message in ("", "The bare failed.", "The bare failed:\ntry again.", "Try again."):
        assert downloads.unclear(shop, case, {"event": "error", "message": message}), message


@pytest.mark.parametrize("victim", [download_kills.DOWNLOAD, download_kills.SUPERVISOR])
def test_a_few_kills_of_downloads(tmp_path: Path, victim: str) -> None:
    with download_kills.a_served_shop(tmp_path / "shop") as shop:
        usual = download_kills.usual_seconds(shop)
        deaths = download_kills.DownloadDeaths(victim)
        chance = random.Random(victim)
        for _ in range(KILLS):
            download_kills.kill(shop, chance, usual, deaths)
        assert deaths.faults == []


def test_the_page_tells_what_was_run_and_what_was_wrong(tmp_path: Path) -> None:
    tally = sweep.Tally(runs=3, provoked=3, results=3, by_kind={"nan": 3}, by_tool={"tags": 3})
    tally.wrong_labels.append("tags: nan at run 1: real")
    deaths = kills.Deaths(kills.RUNNER, runs=4, struck=3)
    figures = report.Figures(
        7, "a machine", 60, 50, tally, [deaths], {kills.RUNNER: 150}, [("at rest", 5, 1, 2)]
    )
    for editor, runs in (("Krita", 19), ("GIMP", 20)):
        shot = kills.EditorDeaths(kills.SUPERVISOR, runs, editor=editor, wanted=20)
        shot.changed.append(f"{editor}: the source layer is not as it was")
        figures.editors.append(shot)
    figures.downloads, figures.of_downloads = downloads.Tally(runs=7, by_kind={"flip": 3}), 500
    figures.downloads.hangs.append("4: bare, stall at 5 of a × all: still there after 120 s")
    figures.downloads.join(downloads.Tally(runs=2, by_kind={"flip": 1, "stall": 1}))
    figures.strangers = strangers.Tally(mutants=9, crashed={"was ended by SIGSEGV": 2})
    figures.strangers.outside.append("mutant 5: /etc/passwd")
    figures.strangers.join(strangers.Tally(mutants=3, passed={"bit flips": 1}))
    figures.messages = messages.Tally(wanted=1000, to_worker=700, to_client=200)
    figures.messages.hangs.append("no answer for 60 s")
    figures.soak = soak.Tally(minutes=60.2, jobs=5000, events={"nothing": 3, "nan": 7})
    figures.soak.leaks.append("left after 60 s: px-1")
    figures.download_deaths = [download_kills.DownloadDeaths("download", wanted=100, runs=8)]
    figures.save(tmp_path / "figures.json")
    again = report.Figures(7, "a machine")
    again.join(tmp_path / "figures.json")
    assert again == figures
    newer = report.Figures(7, "a machine", editors=[kills.EditorDeaths("runner", editor="GIMP")])
    newer.join(tmp_path / "figures.json")
    assert [one.editor for one in newer.editors] == ["Krita", "GIMP"]
    text = report.page(again)
    for told in (
        *("seed 7", "3 of 50", "4 of 150", "| wrong labels | 1 |", "tags: nan at run 1"),
        *("| Krita | supervisor | 19 of 20 |", "GIMP: the source layer is not as it was"),
        *(
            "| downloads with faults | 9 of 500 |",
            "| hangs | 1 |",
            "| flip | 4 |",
            "4: bare, stall",
        ),
        "| download | 8 of 100 |",
        *("| messages | 900 of 1000 |", "no answer for 60 s"),
        *("| jobs of 3 clients | 5000 |", "| nan | 7 |", "left after 60 s: px-1"),
        *("| mutants | 12 of 10000 |", "2 was ended by SIGSEGV", "mutant 5: /etc/passwd"),
    ):
        assert told in text, told
