"""The runner's peak memory and speed against the size of the layer, from the receipts."""

from __future__ import annotations

from pictures import SIZES, layer
from report import Section, Table
from workshop import NAFNET, job, opened

WAYS = (
    ("denoise, classical", "denoise", "classical"),
    ("deblur, classical", "deblur", "classical"),
    ("deblur, real (a contract model that costs nearly nothing)", "deblur", "real"),
)


def measure(full: bool) -> list[Section]:
    """The section's tables; every run has a runner of its own, so that nothing is left over."""
    peaks, speeds = [], []
    with opened() as shop:
        shop.probe()
        shop.get(NAFNET)
        for name, tool, path in WAYS:
            peak, speed = [], []
            for megapixels, (width, height) in SIZES.items():
                shop.stop()
                with job(shop, tool, path, layer(megapixels)) as ready:
                    _, receipt = ready.run()
                if receipt["path"] != path:
                    raise RuntimeError(f"{name} ran as {receipt['path']}: {receipt['reason']}")
                actual = receipt["actual"]
                peak.append(f"{actual['peak_bytes'] / 1e6:.0f}")
                speed.append(f"{actual['run_seconds'] / (width * height / 1e6):.2f}")
            peaks.append((name, *peak))
            speeds.append((name, *speed))
    columns = ("", *(f"{megapixels} MP" for megapixels in SIZES))
    files = [f"{2 * 4 * width * height / 1e6:.0f}" for width, height in SIZES.values()]
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
    )
    return [section]
