"""What the compact models that ship with NSS give and take, beside the classical paths.

Both run as the worker's runner runs them: through the tool, in tiles, on layers of 8 bits.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
import upscale as enlarging
from report import Aim, Section, Table, aims_table

from shared_core.algorithms import deconvolution
from shared_core.algorithms.blur import Blur
from shared_core.bridge import toolbox
from shared_core.bridge.paths import paths
from shared_core.bridge.toolbox import Returns
from shared_core.catalog import cards
from shared_core.catalog.store import Store
from shared_core.engine.memory import usable_threads
from shared_core.engine.session import open_session
from shared_core.pixels import Picture, Raster
from shared_core.sheet import Sheet
from shared_core.tools import registry
from shared_core.tools.work import Model, Sessions, Work
from training import evaluation
from training.evaluation import Bytes, Case

ROUNDS = 3
SECONDS = (
    f"Seconds are of the processor, divided by its {usable_threads()} threads: what a run takes "
    "where nothing else runs."
)
Method = Callable[[Bytes], Bytes]
Scores = dict[str, dict[str, dict[str, float]]]
INPUT, CLASSICAL, COMPACT = "the input", "classical", "compact"
BACK_PROJECTION = enlarging.PLAIN
PLAIN_BACK_PROJECTION = enlarging.METHODS[BACK_PROJECTION]


def through(tool_id: str, parameters: Mapping[str, object], model: Model | None = None) -> Method:
    """The tool with these parameters as a function of a picture, by the model or classically."""
    tool = toolbox.tool(tool_id)
    told = tool.parse(parameters)

    def run(rgb: Bytes) -> Bytes:
        height, width = rgb.shape[:2]
        rgba = np.dstack([rgb, np.full((height, width), 255, np.uint8)])
        wide, high = tool.result_size(told, width, height)
        result = np.zeros((high, wide, 4), np.uint8)
        scaled = tool.returns is Returns.SCALED
        picture = Picture(rgba, None if scaled else result, Raster(width, height, "u8"))
        picture.begin()
        work = Work(
            picture,
            told,
            lambda done, total: None,
            lambda: False,
            outcome=tool.returns,
            sheet=Sheet(result, Raster(wide, high, "u8")) if scaled else None,
        )
        module = registry.module(tool_id)
        made = module.classical(work) if model is None else module.real(work, model)
        if made.unchanged:
            return rgb
        return np.ascontiguousarray(result[..., :3])

    return run


def ships(tool_id: str) -> bool:
    """Whether a compact model serves the tool."""
    return any(card.shipped for card in cards.for_tool(cards.load(), tool_id))


def shipped(tool_id: str, parameters: Mapping[str, object] | None = None) -> Model:
    """The compact model of a tool, opened."""
    told = toolbox.tool(tool_id).parse(parameters or {})
    found = [card for card in registry.models(cards.load(), tool_id, told) if card.shipped]
    store = Store(paths())
    path = store.path(found[0])
    return Model(found[0], Sessions(("",), lambda role: open_session(path)), store.folder(found[0]))


def section(images: Path) -> str:
    """Quality on eight photographs and seconds per megapixel, as Markdown."""
    parts = [measure(images) for tool, measure in _PARTS.items() if ships(tool)]
    texts = [part.markdown() for part in parts]
    return "\n\n".join([*texts, aims_table([aim for part in parts for aim in part.aims])])


def measured(cases: Iterable[Case], methods: Callable[[Case], Mapping[str, Method]]) -> Scores:
    """PSNR by method, fault and photograph."""
    found: Scores = defaultdict(lambda: defaultdict(dict))
    for case in cases:
        for name, method in methods(case).items():
            found[name][case.fault][case.photograph] = evaluation.psnr(
                case.wanted, method(case.given)
            )
    return found


def seconds(methods: Mapping[str, Method], picture: Bytes) -> dict[str, float]:
    """Processor seconds per megapixel of the picture and thread, medians of rounds in turns.

    On idle cores a run takes about that long; by the clock it is longer where others use them.
    """
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, method in methods.items():
            began = time.process_time()
            method(picture)
            spent = (time.process_time() - began) / usable_threads()
            taken[name].append(spent / (picture.size / 3e6))
    return {name: statistics.median(values) for name, values in taken.items()}


def _gains(scores: Scores, over: str) -> dict[tuple[str, str], float]:
    """What the compact model gains over another method, by fault and photograph."""
    return {
        (fault, name): value - scores[over][fault][name]
        for fault, by in scores[COMPACT].items()
        for name, value in by.items()
    }


def _worst(gains: Mapping[tuple[str, str], float]) -> str:
    (fault, name), gain = min(gains.items(), key=lambda pair: pair[1])
    return f"{gain:+.2f} dB ({name}, {fault})"


def _table(title: str, scores: Scores, taken: Mapping[str, float], note: str = "") -> Table:
    faults = list(scores[COMPACT])
    rows = [
        (
            name,
            *(f"{statistics.mean(by[fault].values()):.2f}" for fault in faults),
            f"{taken[name]:.2f}" if name in taken else "",
        )
        for name, by in scores.items()
    ]
    return Table(title, ("method", *faults, "s/MP"), rows, note)


def _by_picture(scores: Scores, fault: str) -> Table:
    names = list(scores[COMPACT][fault])
    rows = [
        (method, *(f"{by[fault][name]:.2f}" for name in names)) for method, by in scores.items()
    ]
    return Table(f"Each picture, {fault}", ("method", *names), rows)


def _timed(images: Path) -> Bytes:
    """A photograph of about a megapixel."""
    _, photo = next(iter(evaluation.photographs(images)))
    return np.asarray(cv2.resize(photo, (1152, 864), interpolation=cv2.INTER_CUBIC), np.uint8)


def _copied(given: Bytes) -> Bytes:
    return given


def _denoise(images: Path) -> Section:
    model = shipped("denoise", {"strength": 25})

    def methods(case: Case) -> dict[str, Method]:
        told = {"strength": case.sigma}
        return {
            INPUT: _copied,
            CLASSICAL: through("denoise", told),
            COMPACT: through("denoise", told, model),
            "compact, noise measured": through("denoise", {}, model),
        }

    scores = measured(evaluation.noisy_cases(images), methods)
    picture = evaluation.with_noise(_timed(images), 25, 0)
    told = {"strength": 25}
    taken = seconds(
        {
            CLASSICAL: through("denoise", told),
            COMPACT: through("denoise", told, model),
        },
        picture,
    )
    gains = _gains(scores, CLASSICAL)
    four = statistics.mean(list(scores[COMPACT]["sigma 25"].values())[:4])
    mean = statistics.mean(gains.values())
    aims = [
        Aim(
            "compact denoiser against classical",
            "above it on every picture",
            f"worst {_worst(gains)}",
            min(gains.values()) > 0,
        ),
        Aim(
            "compact denoiser against classical, the wish",
            "+1.0 dB",
            f"{mean:+.2f} dB on average",
            mean >= 1,
            "What it lacks is natural pictures to learn from (training/README.md).",
        ),
        Aim(
            "compact denoiser, four pictures of scikit-image at sigma 25",
            "at least 31.0 dB",
            f"{four:.2f} dB",
            four >= 31,
        ),
        Aim(
            "compact denoiser, time",
            "at most 2.0 s/MP on two idle cores",
            f"{taken[COMPACT]:.2f} s/MP",
            taken[COMPACT] <= 2,
        ),
    ]
    text = (
        f"{model.card.title}. White Gaussian noise on eight photographs, rounded to 8 bits; the "
        f"level is told unless the row says otherwise. {SECONDS}"
    )
    return Section(
        "Compact denoiser",
        text,
        [_table("PSNR in dB, mean of eight", scores, taken), _by_picture(scores, "sigma 25")],
        aims,
    )


def _deblur(images: Path) -> Section:
    model = shipped("deblur")
    ways = {
        INPUT: _copied,
        CLASSICAL: through("deblur", {}),
        COMPACT: through("deblur", {}, model),
    }
    scores = measured(evaluation.blurred_cases(images), lambda case: ways)
    taken = seconds(
        {name: ways[name] for name in (CLASSICAL, COMPACT)},
        evaluation.with_noise(deconvolution.blurred(_timed(images), Blur("soft", 1.8)), 1, 0),
    )
    gains, over_input = _gains(scores, CLASSICAL), _gains(scores, INPUT)
    mean = statistics.mean(gains.values())
    aims = [
        Aim(
            "compact deblur against classical",
            "+1.0 dB on average",
            f"{mean:+.2f} dB, worst {_worst(gains)}",
            mean >= 1,
            "At Gaussian blur it gains least; more steps still gained (training/README.md).",
        ),
        Aim(
            "compact deblur against its input",
            "never more than 0.1 dB below",
            f"worst {_worst(over_input)}",
            min(over_input.values()) >= -0.1,
        ),
        Aim(
            "compact deblur, time",
            "at most 3 s/MP on two idle cores",
            f"{taken[COMPACT]:.2f} s/MP",
            taken[COMPACT] <= 3,
        ),
    ]
    rows = []
    for fault in scores[COMPACT]:
        cells = [statistics.mean(scores[name][fault].values()) for name in ways]
        worst = min(value for (kind, _), value in gains.items() if kind == fault)
        rows.append((fault, *(f"{value:.2f}" for value in cells), f"{worst:+.2f}"))
    columns = ("blur", *ways, "compact over classical, worst picture")
    note = ", ".join(f"{name}: {value:.2f} s/MP" for name, value in taken.items())
    text = (
        f"{model.card.title}. Eight photographs, blurred, with white noise, rounded to 8 bits; "
        f"neither path is told the blur. {SECONDS} The blur of those is the Gaussian of 1.8."
    )
    return Section("Compact deblur", text, [Table("PSNR in dB", columns, rows, note)], aims)


def _upscale(images: Path) -> Section:
    tables, aims = [], []
    for factor in (2, 4):
        told = {"factor": str(factor)}
        model = shipped("upscale", told)
        ways = {
            "cv2 bicubic": _bicubic(factor),
            BACK_PROJECTION: _back_projected(factor),
            CLASSICAL: through("upscale", told),
            COMPACT: through("upscale", told, model),
        }
        scores = measured(evaluation.small_cases(images, factor), lambda case, ways=ways: ways)
        taken = seconds(ways, _timed(images)[:432, :576])
        title = f"×{factor}: PSNR in dB, mean of eight, and seconds per megapixel of the source"
        tables += [_table(title, scores, taken), _by_picture(scores, f"×{factor}")]
        gains, over_plain = _gains(scores, CLASSICAL), _gains(scores, BACK_PROJECTION)
        mean = statistics.mean(over_plain.values())
        aims += [
            Aim(
                f"compact upscaler ×{factor} against classical",
                "above it on every picture",
                f"{statistics.mean(gains.values()):+.2f} dB, worst {_worst(gains)}",
                min(gains.values()) > 0,
            ),
            Aim(
                f"compact upscaler ×{factor} against back-projection",
                "+1.0 dB on average" if factor == 2 else "above it",
                f"{mean:+.2f} dB, worst {_worst(over_plain)}",
                mean >= (1 if factor == 2 else 0),
                "What it lacks is told in training/README.md.",
            ),
        ]
        if factor == 2:
            aims.append(
                Aim(
                    "compact upscaler ×2, time",
                    "at most 2 s per source MP on two idle cores",
                    f"{taken[COMPACT]:.2f} s/MP",
                    taken[COMPACT] <= 2,
                )
            )
    text = (
        f"{shipped('upscale').card.title}; ×4 is the same network applied twice. Photographs "
        f"shrunk by averaging areas, rounded to 8 bits, enlarged again. {SECONDS}"
    )
    return Section("Compact upscaler", text, tables, aims)


def _back_projected(factor: int) -> Method:
    def run(small: Bytes) -> Bytes:
        large = PLAIN_BACK_PROJECTION(small.astype(np.float32) / 255, factor)
        return np.clip(np.rint(large * 255), 0, 255).astype(np.uint8)

    return run


def _bicubic(factor: int) -> Method:
    def run(small: Bytes) -> Bytes:
        size = factor * small.shape[1], factor * small.shape[0]
        return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)

    return run


_PARTS = {"denoise": _denoise, "deblur": _deblur, "upscale": _upscale}


if __name__ == "__main__":
    print(
        section(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[2] / "shared/images")
    )
