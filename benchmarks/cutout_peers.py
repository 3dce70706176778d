"""Remove Background beside rembg, from PyPI in an environment that is thrown away.

Both run the same ONNX file, a twin of IS-Net with its tensors that costs nearly nothing, so that
what is measured is everything around the network; both read the picture and write a PNG.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from cutouts import PAIRS, SUBJECTS, Composite, composite
from pictures import IMAGES, SIZES
from remove_background import BACKDROPS
from report import Aim, Section, Table
from workshop import Workshop, opened

from shared_core.bridge import wire
from shared_core.bridge.host import Order, apply_tool, run_here
from shared_core.bridge.settings import Limits
from shared_core.cli.host import FileHost

VERSION = "2.0.86"
MODEL = "isnet-general-fp16"
SESSION = "isnet-general-use"
MEGAPIXELS = 12
PICTURES = 20
REPEATS = 3
EDGE_SIZE = (2000, 1500)
# How both are asked: without and with the old background's colours taken out of the edge.
WAYS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain cut": ({"clean": 0.0, "detail": 0.0}, {}),
    "decontaminated": ({"clean": 100.0}, {"decontaminate": True}),
}
_RED, _BLUE = np.array((1.0, 0.5, 0.0)), np.array((0.0, 0.5, 1.0))
_PEER = """
import json, sys, time
began = time.perf_counter()
import rembg
from PIL import Image
imported = time.perf_counter() - began
order = json.loads(sys.argv[1])
session = rembg.new_session(order["session"], providers=["CPUExecutionProvider"])
ready = time.perf_counter() - began
seconds = []
for source, target in order["pictures"]:
    start = time.perf_counter()
    rembg.remove(Image.open(source), session=session, **order["options"]).save(target)
    seconds.append(time.perf_counter() - start)
feed = session.inner_session.get_inputs()[0]
import numpy
picture = numpy.zeros((1, 3, 1024, 1024), numpy.float32)
session.inner_session.run(None, {feed.name: picture})
start = time.perf_counter()
session.inner_session.run(None, {feed.name: picture})
print(json.dumps({"imported": imported, "ready": ready, "seconds": seconds,
                  "network": time.perf_counter() - start}))
"""


def measure(full: bool) -> list[Section]:
    """Seconds of one picture and of twenty, and the error at the edge, of both."""
    with tempfile.TemporaryDirectory(prefix="nss-rembg-") as name, opened(models=(MODEL,)) as shop:
        folder = Path(name)
        python = _installed(folder / "venv")
        if isinstance(python, str):
            text = f"Not measured: rembg {VERSION} could not be installed ({python})."
            return [Section("Remove background beside rembg", text, [])]
        shop.probe()
        file = shop.get(MODEL)
        (folder / "u2net").mkdir()
        shutil.copy(file, folder / "u2net" / f"{SESSION}.onnx")
        pictures = _pictures(folder)
        tables, aims = [], []
        for way in WAYS:
            table, aim = _speed(shop, python, folder, pictures, way)
            tables.append(table)
            aims.append(aim)
        if IMAGES.is_dir():
            table, aim = _edges(shop, python, folder)
            tables.append(table)
            aims.append(aim)
    return [
        Section(
            "Remove background beside rembg",
            f"rembg {VERSION} from PyPI and NSS with the same ONNX file (a twin with IS-Net's "
            f"tensors that costs nearly nothing) on pictures of {MEGAPIXELS} MP from files, "
            "written as PNG. The network is therefore left out of the comparison: what remains is "
            "all around it. NSS through its worker, as an editor uses it, reading and writing the "
            "files as the command line does.",
            tables,
            aims,
        )
    ]


def _installed(folder: Path) -> Path | str:
    """The Python of an environment with rembg; else why there is none."""
    done = subprocess.run([sys.executable, "-m", "venv", str(folder)], check=False)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if done.returncode:
        return "no environment could be made"
    command = [str(python), "-m", "pip", "install", "--quiet", f"rembg[cpu]=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return python if not done.returncode else done.stderr.strip().splitlines()[-1]


def _pictures(folder: Path) -> list[Path]:
    """Twenty pictures of their own, each with something to cut out."""
    width, height = SIZES[MEGAPIXELS]
    chance = np.random.default_rng(1)
    found = []
    for number in range(PICTURES):
        small = chance.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.circle(picture, (width // 2, height // 2), height // 4 + 20 * number, (30, 60, 220), -1)
        found.append(folder / f"picture-{number}.jpg")
        cv2.imwrite(str(found[-1]), picture)
    return found


def _speed(
    shop: Workshop, python: Path, folder: Path, pictures: Sequence[Path], way: str
) -> tuple[Table, Aim]:
    ours, theirs = WAYS[way]
    peers, mine = [], []
    for _ in range(REPEATS):
        peers.append(_peer(python, folder, pictures, theirs))
        mine.append(_nss(shop, folder, pictures, ours))

    def middle(values: Sequence[float]) -> float:
        return statistics.median(values)

    rows = []
    for name, all_runs in (("rembg", peers), ("NSS", mine)):
        warm = middle([middle(run["seconds"][1:] or run["seconds"]) for run in all_runs])
        rows.append(
            (
                name,
                f"{middle([run['ready'] for run in all_runs]):.2f}",
                f"{middle([run['ready'] + run['seconds'][0] for run in all_runs]):.2f}",
                f"{warm:.2f}",
                f"{middle([run['ready'] + sum(run['seconds']) for run in all_runs]):.2f}",
            )
        )
    faster = all(float(rows[1][column]) < float(rows[0][column]) for column in (2, 4))
    network = middle([run["network"] for run in peers])
    worked = middle([middle(run["worked"][1:] or run["worked"]) for run in mine])
    return Table(
        f"{way[0].upper()}{way[1:]}: seconds, medians of {REPEATS}",
        ("", "until ready", "first picture", "each further", f"all {len(pictures)}"),
        rows,
        f"Until ready: rembg imported and its session made; NSS's worker started, connected and "
        f"asked for a plan. The network alone takes {1000 * network:.0f} ms in both. Of each "
        f"further picture NSS's worker takes {worked:.2f} s, its files take the rest.",
    ), Aim(
        f"{way}: NSS against rembg",
        f"faster on one picture and on {len(pictures)}",
        f"{rows[1][2]} s against {rows[0][2]} s; {rows[1][4]} s against {rows[0][4]} s",
        faster,
        f"Of each further picture the worker takes {worked:.2f} s, the files take the rest.",
    )


def _peer(
    python: Path, folder: Path, pictures: Sequence[Path], options: dict[str, Any]
) -> dict[str, Any]:
    out = [[str(one), str(folder / f"peer-{one.stem}.png")] for one in pictures]
    order = json.dumps({"session": SESSION, "pictures": out, "options": options})
    environment = {
        **os.environ,
        "U2NET_HOME": str(folder / "u2net"),
        "MODEL_CHECKSUM_DISABLED": "1",
    }
    done = subprocess.run(
        [str(python), "-c", _PEER, order],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _nss(
    shop: Workshop, folder: Path, pictures: Sequence[Path], parameters: dict[str, Any]
) -> dict[str, Any]:
    """The same from a worker that does not run yet."""
    shop.stop()
    began = time.perf_counter()
    client = shop.client()
    client.ask(wire.AskPlan("remove-background", *SIZES[MEGAPIXELS]), wire.PlanReply)
    ready = time.perf_counter() - began
    seconds, worked = [], []
    for one in pictures:
        start = time.perf_counter()
        worked.append(_cut(shop, client, one, folder / f"nss-{one.stem}.png", parameters))
        seconds.append(time.perf_counter() - start)
    client.close()
    return {"ready": ready, "seconds": seconds, "worked": worked}


def _cut(shop: Workshop, client: Any, source: Path, target: Path, parameters: Any) -> float:
    """Cut one picture; the seconds that the worker took for it."""
    host = FileHost(shop.paths, source, target)
    values = {"model": "fast", "result": "cut", **parameters}
    order = Order("remove-background", values, wire.REAL, limits=Limits(budget=3600.0))
    [made] = run_here(apply_tool(host, order), client, _Silent())
    if made.path != wire.REAL:
        raise RuntimeError(f"cut by {made.path}: {made.reason}")
    return made.actual.total_seconds


class _Silent:
    """Looks at nothing and never cancels."""

    def progress(self, event: object) -> None:
        """Ignored."""

    def cancelled(self) -> bool:
        """Never."""
        return False


def _edges(shop: Workshop, python: Path, folder: Path) -> tuple[Table, Aim]:
    """A network that gives a soft matte of 1024 by 1024: what both make of its edge."""
    width, height = EDGE_SIZE
    errors: dict[str, list[float]] = {}
    truths: dict[Path, Composite] = {}
    for number, kind in enumerate(SUBJECTS):
        made = composite(IMAGES, kind, PAIRS[0], width, height, number)
        source = folder / f"edge-{kind}.png"
        coded = np.rint(_coded(made) * 255).astype(np.uint8)
        cv2.imwrite(str(source), cv2.cvtColor(coded, cv2.COLOR_RGB2BGR))
        truths[source] = made
    client = shop.client()
    for way, (ours, theirs) in WAYS.items():
        _peer(python, folder, list(truths), theirs)
        for source, made in truths.items():
            _cut(shop, client, source, folder / f"nss-{source.stem}.png", ours)
            for name, title in (("nss", "NSS"), ("peer", "rembg")):
                found = cv2.imread(str(folder / f"{name}-{source.stem}.png"), cv2.IMREAD_UNCHANGED)
                errors.setdefault(f"{title}, {way}", []).append(_error(found, made))
    client.close()
    rows = [(name, *(f"{one:.0f}" for one in values)) for name, values in errors.items()]
    mean = {name: statistics.mean(values) for name, values in errors.items()}
    better = all(mean[f"NSS, {way}"] < mean[f"rembg, {way}"] for way in WAYS)
    return Table(
        f"Edge error at {width}×{height}, in thousandths",
        ("", *SUBJECTS),
        rows,
        "The twin takes the matte from the picture's colours, in which it is coded; the error is "
        "that of colours and alpha together near pixels that are partly covered, laid on black, "
        "white and green.",
    ), Aim(
        "edges: NSS against rembg",
        "a smaller mean error, plain and decontaminated",
        "; ".join(f"{mean[f'NSS, {w}']:.0f} against {mean[f'rembg, {w}']:.0f}, {w}" for w in WAYS),
        better,
    )


def _coded(made: Composite) -> Any:
    """A red subject in front of blue: the twin's answer is then nearly the matte."""
    matte = made.matte[..., None]
    return matte * _subject(made) + (1 - matte) * (0.9 * _BLUE + 0.1 * made.picture)


def _subject(made: Composite) -> Any:
    """The subject's own colours, which are to be seen at its edge on any other background."""
    return 0.9 * _RED + 0.1 * made.picture


def _error(found: Any, made: Composite) -> float:
    """Near pixels that are partly covered, laid on black, white and green."""
    partly = ((made.matte > 0) & (made.matte < 1)).astype(np.uint8)
    band = cv2.dilate(partly, np.ones((9, 9), np.uint8)) > 0
    cut = found[..., [2, 1, 0, 3]] / 255
    right = np.dstack([_subject(made), made.matte])
    total = 0.0
    for backdrop in BACKDROPS:
        laid, wanted = (
            one[..., :3] * one[..., 3:] + (1 - one[..., 3:]) * np.array(backdrop)
            for one in (cut, right)
        )
        total += float(np.abs(laid - wanted)[band].mean())
    return 1000 * total / len(BACKDROPS)
