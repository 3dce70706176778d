"""Kills the worker's processes at moments of chance during runs in the real Krita and GIMP.

``python tests/campaign/editors.py --runner 20 --supervisor 20 --out docs/reliability.md`` plays a
whole campaign in one start of each editor; needs what tests/hosts needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# The modules of tests/hosts know each other by plain names, and one of them is named as this is.
sys.path[:0] = [str(ROOT / "tests" / "hosts"), str(ROOT)]

import gimp_stage  # noqa: E402
import test_krita  # noqa: E402
from editors import ensure  # noqa: E402
from gimp_stage import contract_models  # noqa: E402

from shared_core.bridge import wire  # noqa: E402
from tests.campaign.kills import MODULES, RUNNER, SUPERVISOR, EditorDeaths, told  # noqa: E402
from tests.campaign.report import Figures, machine, page  # noqa: E402

SCENARIO = "deaths"
# Of the slow twin's one tile.
TILE_SECONDS = 1.0
START_SECONDS, RUN_SECONDS = 180, 20
VARIANTS = {contract_models.NAFNET: contract_models.Variant.SLOW}
Kills = Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Seen:
    """One run as its editor's script noted it; ``same`` whether the source is as it was."""

    notes: dict[str, Any]
    receipt: dict[str, Any] | None
    result: bytes
    layer: str
    same: bool
    said: str


@dataclass(frozen=True)
class Play:
    """One start of an editor: what it noted, how to read a run of it, how it ended."""

    found: dict[str, Any]
    read: Callable[[str], Seen]
    trouble: str


def orders(folder: Path, python: str, kills: Kills, until: float) -> Path:
    """The folder that is mounted as /campaign."""
    place = folder / "campaign"
    place.mkdir()
    shutil.copyfile(Path(__file__).with_name("strike.py"), place / "strike.py")
    nss = python.removesuffix("python") + "nss"
    wanted: dict[str, Any] = {"python": python, "nss": nss, "modules": MODULES}
    wanted |= {"kills": kills, "until": until}
    (place / "orders.json").write_text(json.dumps(wanted), "utf-8")
    return place


def krita(folder: Path, kills: Kills, until: float, timeout: float) -> Play:
    """The campaign in one start of Krita."""
    test_krita.make_pictures(folder / "pictures")
    catalogue, trouble = folder / "catalogue", ""
    contract_models.write_catalogue(
        catalogue / "cards", catalogue / "hub", VARIANTS, seconds=TILE_SECONDS
    )
    with (
        test_krita.staged(ensure(test_krita.EDITOR), folder) as stage,
        test_krita.Hub(catalogue / "hub") as hub,
    ):
        mounted = {
            catalogue / "cards": "/cards",
            orders(folder, stage.python, kills, until): "/campaign",
        }
        environment = {"NSS_CARDS": "/cards", "HF_ENDPOINT": hub.url}
        try:
            _, done, _ = stage.start(SCENARIO, mounted, environment, timeout)
            trouble = _ending(done)
        except (subprocess.TimeoutExpired, OSError) as error:
            trouble = str(error)
    probe = folder / SCENARIO / "tmp" / "probe"
    source = (folder / "pictures" / "srgb8.raw").read_bytes()
    found = _json(probe / "found.json")

    def read(name: str) -> Seen:
        notes = found[name]
        kept = notes.get("receipt")
        if "result" not in notes:
            return Seen(notes, None, b"", "", True, str(found.get("error", "it ended there")))
        return Seen(
            notes,
            kept and kept["receipt"],
            (probe / notes["result"]["pixels"]).read_bytes(),
            notes["result"]["name"],
            (probe / notes["source"]).read_bytes() == source,
            notes["status"],
        )

    return Play(found, read, trouble or str(found.get("error", "")))


def gimp(folder: Path, kills: Kills, until: float, timeout: float) -> Play:
    """The campaign in one start of GIMP."""
    ensure(gimp_stage.EDITOR)
    trouble = ""
    with (
        gimp_stage.a_stage(folder) as stage,
        stage.mounts(SCENARIO, TILE_SECONDS, VARIANTS) as options,
    ):
        options["readonly"][orders(folder, stage.python, kills, until)] = "/campaign"
        arguments = [stage.editor.gimp, "-s", *stage.batch(SCENARIO)]
        try:
            trouble = _ending(stage.editor.xvfb(arguments, timeout=timeout, **options))
        except subprocess.TimeoutExpired as error:
            trouble = f"{error}: {str(error.output)[-2000:]}"
    out = folder / f"{SCENARIO}-out"
    photo = hashlib.sha256((folder / "pictures" / "srgb8.raw").read_bytes()).hexdigest()
    found = _json(out / "found.json")

    def read(name: str) -> Seen:
        notes = found[name]
        same = [0, "Photo", photo] in notes["after"]
        if not notes["results"]:
            return Seen(notes, None, b"", "", same, notes.get("message", notes["status"]))
        (result,) = notes["results"]
        pixels = (out / result["pixels"]).read_bytes()
        return Seen(notes, result["receipt"], pixels, result["name"], same, notes["status"])

    return Play(found, read, trouble)


EDITORS = {"krita": krita, "gimp": gimp}


def _ending(done: subprocess.CompletedProcess[str]) -> str:
    said = (done.stdout + done.stderr)[-2000:]
    return f"it ended with status {done.returncode}: {said}" if done.returncode else ""


def _json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def judge(editor: str, play: Play, kills: Kills) -> list[EditorDeaths]:
    """The figures of one editor, of each kind of process."""
    victims = list(dict.fromkeys(victim for victim, _ in kills))
    deaths = {
        victim: EditorDeaths(victim, editor=editor, wanted=sum(v == victim for v, _ in kills))
        for victim in victims
    }
    known = {}
    for name, path in (("real", wire.REAL), ("again", wire.REAL), ("classical", wire.CLASSICAL)):
        seen = play.read(name) if name in play.found else None
        if seen is None or seen.receipt is None or seen.receipt["path"] != path:
            raise SystemExit(f"{editor}: an undisturbed run, {name}, failed: {seen}; {play}")
        if known.setdefault(path, seen.result) != seen.result:
            raise SystemExit(f"{editor}: two undisturbed runs differ")
    if known[wire.REAL] == known[wire.CLASSICAL]:
        raise SystemExit(f"{editor}: the pixels do not tell the paths apart")
    for number, (victim, _) in enumerate(kills):
        if f"kill-{number}" in play.found:
            _judge(play.read(f"kill-{number}"), known, deaths[victim])
    last = deaths[victims[-1]]
    if play.trouble or not play.found.get("done"):
        last.ended.append(f"{editor}: {play.trouble or 'it did not come to its end'}")
    if play.found.get("left"):
        last.orphans.append(f"{editor}, after the worker was told to end: {play.found['left']}")
    return list(deaths.values())


def _judge(seen: Seen, known: dict[str, bytes], deaths: EditorDeaths) -> None:
    notes = seen.notes
    name = f"{deaths.editor}, {deaths.victim} killed after {notes['moment']:.2f} s"
    deaths.runs += 1
    if not seen.same:
        deaths.changed.append(f"{name}: the source layer is not as it was")
    if seen.receipt is None or notes.get("added") != 1:
        deaths.missing.append(f"{name}: {seen.said}")
        return
    struck = bool(notes["struck"]) and notes["during"]
    deaths.struck += struck
    deaths.longest_seconds = max(deaths.longest_seconds, notes["seconds"])
    deaths.longest_cleaning_seconds = max(deaths.longest_cleaning_seconds, notes["cleaning"])
    if notes["left"]:
        deaths.orphans.append(f"{name}: {notes['left']}")
    path, fault = seen.receipt["path"], seen.receipt["fault"]
    true = known.get(path) == seen.result and f" · {path}" in seen.layer
    if path == wire.REAL:
        deaths.real += 1
        true = true and seen.receipt["model"]["id"] == contract_models.NAFNET and not fault
    else:
        deaths.classical += 1
        deaths.told += bool(fault)
        true = true and seen.receipt["model"] is None and struck and bool(fault) and told(fault)
    # Krita's panel has said beforehand that the run would be real; GIMP was not asked.
    true = true and notes.get("plan", "Real").startswith("Real")
    if not true:
        why = f"{path}, {seen.receipt['reason']} / {fault}, {seen.layer}, {notes.get('plan')}"
        deaths.wrong.append(f"{name}: {why}, struck {notes['struck']}")


def main() -> int:
    """Run it from the command line; 1 when anything was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--editor", nargs="+", choices=EDITORS, default=tuple(EDITORS))
    parser.add_argument("--runner", type=int, default=20, help="how often the runner is killed")
    parser.add_argument("--supervisor", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--minutes", type=float, default=1e6, help="for an editor; no new run begins after these"
    )
    parser.add_argument("--out", type=Path, help="the page to write")
    parser.add_argument("--keep", type=Path, help="a new folder for all that the editors leave")
    parser.add_argument(
        "--figures", type=Path, help="JSON: parts run before are read from it, and all kept in it"
    )
    given = parser.parse_args()
    begun = time.monotonic()
    figures = Figures(given.seed, machine())
    for editor in given.editor:
        chance = random.Random(f"{given.seed} {editor}")
        kills = [(RUNNER, chance.random()) for _ in range(given.runner)]
        kills += [(SUPERVISOR, chance.random()) for _ in range(given.supervisor)]
        # Mixed, so that a start that breaks off has seen something of both.
        chance.shuffle(kills)
        until = time.monotonic() + 60 * given.minutes
        timeout = START_SECONDS + RUN_SECONDS * len(kills)
        with tempfile.TemporaryDirectory(prefix="nss-editors-") as name:
            folder = given.keep / editor if given.keep else Path(name)
            folder.mkdir(parents=True, exist_ok=True)
            play = EDITORS[editor](folder, kills, until, timeout)
            title = f"{editor.title()} {_version(editor)}".replace("Gimp", "GIMP")
            figures.editors += judge(title, play, kills)
    figures.seconds = time.monotonic() - begun
    if given.figures:
        figures.join(given.figures)
        figures.save(given.figures)
    text = page(figures)
    if given.out:
        given.out.write_text(text, "utf-8")
    sys.stdout.write(text)
    return 1 if figures.faults else 0


def _version(editor: str) -> str:
    module = {"krita": test_krita, "gimp": gimp_stage}[editor]
    return ensure(module.EDITOR).versions[editor]


if __name__ == "__main__":
    sys.exit(main())
