"""The IPTC DigitalSourceType: how much of a picture a machine has made, by its receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .wire import BYO, CLASSICAL, REAL

_NEWSCODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
ENHANCED = _NEWSCODES + "algorithmicallyEnhanced"
PROCEDURAL = _NEWSCODES + "algorithmicMedia"
COMPOSITE = _NEWSCODES + "compositeWithTrainedAlgorithmicMedia"
GENERATED = _NEWSCODES + "trainedAlgorithmicMedia"

# The DigitalSourceType of each tool's result: by a model (the user's own counts as real), and by
# a classical algorithm. None: the tool changes no pixels.
_SOURCE_TYPES: dict[str, tuple[str | None, str | None]] = {
    "remove-background": (ENHANCED, ENHANCED),
    "colorize": (COMPOSITE, ENHANCED),
    "restore-faces": (COMPOSITE, ENHANCED),
    "deblur": (ENHANCED, ENHANCED),
    "denoise": (ENHANCED, ENHANCED),
    "upscale": (COMPOSITE, ENHANCED),
    "remove-object": (COMPOSITE, ENHANCED),
    "text-to-image": (GENERATED, PROCEDURAL),
    "generate-background": (COMPOSITE, PROCEDURAL),
    "tags": (None, None),
}
# A tool that this version does not know: the cautious label.
_UNKNOWN_TOOL = (COMPOSITE, ENHANCED)

# From weak to strong: how much of the picture a machine has made. Captures, prints, human work
# and values that are not listed are weaker than all of these.
_STRENGTH = (
    "algorithmicallyEnhanced",
    "dataDrivenMedia",
    "algorithmicMedia",
    "compositeSynthetic",
    "compositeWithTrainedAlgorithmicMedia",
    "trainedAlgorithmicMedia",
)


def strongest(source_types: Iterable[str | None]) -> str | None:
    """The DigitalSourceType that says most about a machine's share; None when there is none.

    The order, from weak to strong: anything else (captures, prints, human work, unknown values) <
    algorithmicallyEnhanced < dataDrivenMedia < algorithmicMedia < compositeSynthetic <
    compositeWithTrainedAlgorithmicMedia < trainedAlgorithmicMedia. Other spellings of a known
    value (https, short code, a slash at the end) count and come back as the NewsCodes URI; of
    equally strong ones the first stays.
    """
    best: str | None = None
    best_rank = -2
    for value in source_types:
        if not value or not value.strip():
            continue
        rank, uri = _ranked(value.strip())
        if rank > best_rank:
            best, best_rank = uri, rank
    return best


def _ranked(value: str) -> tuple[int, str]:
    code = value.rstrip("/").replace(":", "/").rsplit("/", 1)[-1]
    for rank, known in enumerate(_STRENGTH):
        if code.lower() == known.lower():
            return rank, _NEWSCODES + known
    return -1, value


def source_type(receipt: Mapping[str, object]) -> str | None:
    """The DigitalSourceType of the result that a receipt, as JSON data, is about.

    The strongest of this step and all steps before it (``source``), as the full NewsCodes URI.
    None when none of them changed pixels. What is no receipt counts for nothing.
    """
    step: object = receipt
    found: list[str | None] = []
    while isinstance(step, Mapping):
        tool, path = step.get("tool"), step.get("path")
        if isinstance(tool, str) and path in (REAL, BYO, CLASSICAL):
            by_model, by_algorithm = _SOURCE_TYPES.get(tool, _UNKNOWN_TOOL)
            found.append(by_algorithm if path == CLASSICAL else by_model)
        step = step.get("source")
    return strongest(found)
