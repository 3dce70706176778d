"""The runner's peak memory and speed against the size of the layer, from the receipts."""

from __future__ import annotations

from pictures import SIZES, layer
from report import Aim, Section, Table
from workshop import NAFNET, job, opened

MEGAPIXELS = (1, 4, 12, 24, 48)
AIM_TIMES = 1.6
WAYS = (
    ("denoise, classical", "denoise", "classical"),
    ("deblur, classical", "deblur", "classical"),
    ("deblur, real (a contract model that costs nearly nothing)", "deblur", "real"),
)


def measure(full: bool) -> list[Section]:
    """The section's tables; every run has a runner of its own, so that nothing is left over."""
    peaks, speeds, aims = [], [], []
    with opened() as shop:
        shop.probe()
        shop.get(NAFNET)
        for name, tool, path in WAYS:
            peak, speed = [], []
            for megapixels in MEGAPIXELS:
                width, height = SIZES[megapixels]
                shop.stop()
                with job(shop, tool, path, layer(megapixels)) as ready:
                    _, receipt = ready.run()
                if receipt["path"] != path:
                    raise RuntimeError(f"{name} ran as {receipt['path']}: {receipt['reason']}")
                actual = receipt["actual"]
                peak.append(f"{actual['peak_bytes'] / 1e6:.0f}")
                speed.append(f"{actual['run_seconds'] / (width * height / 1e6):.2f}")
            peaks.append((name, *peak))
            aims.append(_aim(name, [float(one) for one in peak]))
            speeds.append((name, *speed))
    columns = ("", *(f"{megapixels} MP" for megapixels in MEGAPIXELS))
    files = [f"{_files_mb(megapixels):.0f}" for megapixels in MEGAPIXELS]
    section = Section(
        "Memory of the runner against the layer's size",
        "`actual.peak_bytes` and `actual.run_seconds` of the receipts; 8 bits RGBA, a fresh runner "
        "for every run.",
        [
            Table(
                "Peak in MB",
                columns,
                [*peaks, ("of which the two shared pixel files", *files)],
                "The pixel files are mapped, so that they count into the peak of every process "
                "that touches them, though they exist once.",
            ),
            Table("Seconds per megapixel", columns, speeds),
        ],
        aims,
    )
    return [section]


def _files_mb(megapixels: int) -> float:
    """Megabytes of the two pixel files."""
    width, height = SIZES[megapixels]
    return 2 * 4 * width * height / 1e6


def _aim(name: str, peaks: list[float]) -> Aim:
    """The largest layer against its files and what the smallest takes beside its own."""
    least, most = MEGAPIXELS[0], MEGAPIXELS[-1]
    program = peaks[0] - _files_mb(least)
    needed = _files_mb(most) + program
    return Aim(
        f"{name}: peak at {most} MP",
        f"under {AIM_TIMES} times what tile and picture need",
        f"{peaks[-1] / needed:.2f} times: {peaks[-1]:.0f} MB of {needed:.0f}",
        peaks[-1] < AIM_TIMES * needed,
        f"Needed: the pixel files, and the {program:.0f} MB that program, model and one tile take "
        f"at {least} MP.",
    )
