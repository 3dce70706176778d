"""Runs the campaign of faults and kills, or a share of it, and writes its figures.

``python tests/campaign/run.py --seed N --share 0.05 --out docs/reliability.md``
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.campaign import (
    download_kills,
    downloads,
    guided,
    kills,
    messages,
    plans,
    soak,
    strangers,
    surroundings,
    sweep,
)
from tests.campaign.report import Figures, machine, page
from tests.campaign.shop import a_shop
from tests.campaign.stage import CASES, Case, a_stage
from tests.fakes.contract_models import NAFNET, Variant

PARTS = (
    *("faults", "kills", "surroundings", "plans", "downloads", "download-kills"),
    *("strangers", "messages", "guided", "soak"),
)
KILLS = {kills.RUNNER: 150, kills.SUPERVISOR: 50}
DOWNLOADS = 500
DOWNLOAD_KILLS = {download_kills.DOWNLOAD: 160, download_kills.SUPERVISOR: 20}
PLANS = 200
SOAK_MINUTES = 60.0
# Long enough that a kill of chance meets the model at work.
TILE_SECONDS = 0.05


def campaign(
    folder: Path,
    seed: int,
    share: float,
    parts: Sequence[str] = PARTS,
    tools: Sequence[str] = (),
    minutes: float | None = None,
) -> Figures:
    """Run ``share`` (0..1) of ``parts`` below ``folder``; no new run begins after ``minutes``.

    The soak takes ``minutes``, or its share of an hour.
    """
    begun = time.monotonic()
    figures = Figures(seed, machine())
    cases = tuple(case for case in CASES if not tools or case.tool in tools)

    def late() -> bool:
        return minutes is not None and time.monotonic() - begun > 60 * minutes

    if "kills" in parts or "plans" in parts:
        _slow(folder / "slow", figures, parts, share, late)
    if "surroundings" in parts:
        deblur, denoise = _case("deblur"), _case("denoise")
        with a_stage(folder / "narrow", models=[deblur.model]) as stage:
            sweep.prepare(stage, (deblur,))
            figures.troubles = surroundings.every_trouble(stage, deblur, denoise)
    if "strangers" in parts:
        count = max(1, round(strangers.COUNT * share))
        figures.strangers = strangers.campaign(folder / "strangers", seed, count)
    if "messages" in parts:
        count = max(1, round(messages.COUNT * share))
        figures.messages = messages.campaign(folder / "messages", seed, count, _note)
    if "guided" in parts and guided.HERE:
        count = max(1, round(guided.COUNT * share))
        figures.guided = guided.campaign(folder / "guided", seed, count)
    if "faults" in parts:
        with a_stage(folder / "sweep") as stage:
            known = sweep.prepare(stage, cases)
            every = sweep.every_fault(known, cases)
            figures.of_faults, figures.tally = len(every), sweep.Tally()
            chosen = sweep.sample(every, share, seed)
            # Mixed, so that a campaign that is cut short has seen something of everything.
            random.Random(seed).shuffle(chosen)
            for fault in chosen:
                if late():
                    break
                sweep.suffer(stage, fault, known[fault.case.tool], figures.tally)
                _say(fault.name, figures)
    if "soak" in parts:
        with a_stage(folder / "soak") as stage, soak.disks_of(stage) as disks:
            known = sweep.prepare(stage, cases)
            soaked = soak.Soak(stage, known, seed, disks)
            figures.soak = soaked.run(minutes or SOAK_MINUTES * share, _note)
    if "downloads" in parts:
        _downloads(folder / "downloads", figures, share, late)
    if "download-kills" in parts:
        _download_kills(folder / "download-kills", figures, share, late)
    figures.seconds = time.monotonic() - begun
    return figures


def _downloads(folder: Path, figures: Figures, share: float, late: Callable[[], bool]) -> None:
    """As many downloads at a time as there are processors, each with a hub and home of its own."""
    figures.downloads, figures.of_downloads = downloads.Tally(), DOWNLOADS
    many = os.cpu_count() or 1

    def suffer(slot: int) -> downloads.Tally:
        tally = downloads.Tally()
        with a_shop(folder / str(slot)) as shop:
            count = max(1, round(DOWNLOADS * share))
            for case in downloads.cases(shop, count, figures.seed)[slot::many]:
                if late():
                    break
                downloads.suffer(shop, case, tally)
                sys.stderr.write(f"{case.name}; {len(tally.faults)} wrong so far\n")
        return tally

    with ThreadPoolExecutor(many) as pool:
        for tally in pool.map(suffer, range(many)):
            figures.downloads.join(tally)


def _download_kills(folder: Path, figures: Figures, share: float, late: Callable[[], bool]) -> None:
    with download_kills.a_served_shop(folder) as shop:
        usual = max(download_kills.usual_seconds(shop) for _ in range(2))
        for victim, most in DOWNLOAD_KILLS.items():
            deaths = download_kills.DownloadDeaths(victim, wanted=most)
            figures.download_deaths.append(deaths)
            for number in range(max(1, round(most * share))):
                if late():
                    break
                chance = random.Random(f"{figures.seed} {victim} {number} of a download")
                download_kills.kill(shop, chance, usual, deaths)
                _say(f"{victim} of a download killed, run {number + 1}", figures)


def _slow(
    folder: Path,
    figures: Figures,
    parts: Sequence[str],
    share: float,
    late: Callable[[], bool],
) -> None:
    """What needs a model that takes its time."""
    deblur, denoise = _case("deblur"), _case("denoise")
    options = {"variants": {NAFNET: Variant.SLOW}, "gflop_per_megapixel": {NAFNET: 0.1}}
    with a_stage(folder, models=[NAFNET, denoise.model], seconds=TILE_SECONDS, **options) as stage:
        known = sweep.prepare(stage, (deblur,))[deblur.tool]
        if "plans" in parts:
            count = max(10, round(PLANS * share))
            found = plans.measure(stage, deblur, denoise, stage.hub, count)
            figures.plans = plans.table(found)
        if "kills" not in parts:
            return
        usual = max(kills.usual_seconds(stage, deblur) for _ in range(3))
        for victim, most in KILLS.items():
            deaths = kills.Deaths(victim)
            figures.deaths.append(deaths)
            figures.wanted_deaths[victim] = most
            for number in range(max(1, round(most * share))):
                if late():
                    break
                chance = random.Random(f"{figures.seed} {victim} {number}")
                kills.kill(stage, deblur, known, chance, usual, deaths)
                _say(f"{victim} killed, run {number + 1}", figures)


def _case(tool: str) -> Case:
    return next(case for case in CASES if case.tool == tool)


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _say(name: str, figures: Figures) -> None:
    sys.stderr.write(f"{name}; {len(figures.faults)} wrong so far\n")


def main() -> int:
    """Run it from the command line; 1 when anything was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the faults and kills, 0 to 1")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--tools", nargs="+", default=(), help="for the faults; default: all")
    parser.add_argument("--minutes", type=float, help="begin nothing new after these; of the soak")
    parser.add_argument("--out", type=Path, help="the page to write")
    parser.add_argument(
        "--figures", type=Path, help="JSON: parts run before are read from it, and all kept in it"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nss-campaign-") as folder:
        figures = campaign(
            Path(folder), given.seed, given.share, given.parts, given.tools, given.minutes
        )
    if given.figures:
        figures.join(given.figures)
        figures.save(given.figures)
    text = page(figures)
    if given.out:
        given.out.write_text(text, "utf-8")
    sys.stdout.write(text)
    return 1 if figures.faults else 0


if __name__ == "__main__":
    sys.exit(main())
