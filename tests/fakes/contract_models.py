"""Tiny ONNX models with the very tensors of the catalogue's models and a known function each.

The twins are in ``contracts/``, one module per tool, each with the expected values computed in
numpy, apart from the graphs. ``write_catalogue`` writes cards and a hub folder for them: with
NSS_CARDS and HF_ENDPOINT set to these, everything else is the real code.
``python tests/fakes/contract_models.py OUTFOLDER`` makes OUTFOLDER/cards and OUTFOLDER/hub.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tomllib

HERE = Path(__file__).resolve().parent
MODELS_FOLDER = HERE.parents[1] / "models"

if __package__:
    from .contracts import deblur, denoise, graph
else:
    # As a command, or from the folder of a test that runs inside an editor.
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    from contracts import deblur, denoise, graph  # type: ignore[import-not-found,no-redef]

Variant = graph.Variant
Twin = graph.Twin
Picture = graph.Picture
NAFNET, SCUNET, DRUNET = deblur.NAFNET, denoise.SCUNET, denoise.DRUNET
NAFNET_SIDE = deblur.NAFNET_SIDE
expected_nafnet = deblur.expected_nafnet
expected_scunet, expected_drunet = denoise.expected_scunet, denoise.expected_drunet

TWINS: dict[str, Callable[[Variant], dict[str, bytes]]] = {}
COSTLY: dict[str, Callable[[Variant, float, float], Twin]] = {}
for _path in sorted((HERE / "contracts").glob("[a-z]*.py")):
    _module = importlib.import_module(f"{graph.__package__}.{_path.stem}")
    TWINS |= getattr(_module, "TWINS", {})
    COSTLY |= getattr(_module, "COSTLY", {})
# The models of the two tools that were there first, which many tests use.
MODELS = (NAFNET, SCUNET, DRUNET)

_GFLOP = 0.1


@functools.cache
def _made(model: str, variant: Variant, seconds: float, gflop_per_second: float) -> Twin:
    if model in COSTLY:
        return COSTLY[model](variant, seconds, gflop_per_second)
    if variant in (Variant.SLOW, Variant.COST):
        raise ValueError(f"{model} has no twin that takes time")
    return Twin(TWINS[model](variant), _GFLOP)


def twin(
    model: str,
    variant: Variant = Variant.GOOD,
    *,
    seconds: float = 10.0,
    gflop_per_second: float = 150.0,
    padding: int = 0,
) -> Twin:
    """The files of ``model``'s twin.

    ``seconds`` is about what a tile of SLOW takes on a machine of ``gflop_per_second``.
    ``padding`` makes the last file about that many bytes longer, with bytes that mean nothing.
    """
    made = _made(model, variant, seconds, gflop_per_second)
    return Twin(graph.padded(made.files, padding), made.gflop)


# ---------------------------------------------------------------- cards and hub


def write_catalogue(
    cards_folder: Path,
    hub_folder: Path,
    variants: Mapping[str, Variant] | None = None,
    *,
    models: Sequence[str] | None = None,
    seconds: float = 10.0,
    padding: int = 0,
    gflop_per_megapixel: Mapping[str, float] | None = None,
) -> None:
    """Write the twins of ``models`` (default: all), and of what these need, as hub and as cards.

    The cards differ from the real ones in what the twins differ in: sizes, hashes (where the real
    card has one) and costs. ``variants`` names the models that are not GOOD;
    ``gflop_per_megapixel`` has a card lie about the cost.
    """
    real = {path.stem: path for path in MODELS_FOLDER.rglob("*.toml")}
    chosen = [model for model in TWINS if model in real] if models is None else models
    texts = {model: real[model].read_text(encoding="utf-8") for model in chosen}
    for text in list(texts.values()):
        for need in tomllib.loads(text).get("needs", []):
            texts[need] = real[need].read_text(encoding="utf-8")
    for model, text in texts.items():
        variant = (variants or {}).get(model, Variant.GOOD)
        made = twin(model, variant, seconds=seconds, padding=padding)
        card = cards_folder / real[model].relative_to(MODELS_FOLDER)
        card.parent.mkdir(parents=True, exist_ok=True)
        cost = (gflop_per_megapixel or {}).get(model, made.gflop)
        card.write_text(_card_of(text, made.files, cost), encoding="utf-8")
        facts = tomllib.loads(text)
        for name, data in made.files.items():
            file = hub_folder / facts["repo"] / facts["revision"] / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)


def _card_of(text: str, files: Mapping[str, bytes], gflop: float) -> str:
    """The card ``text`` with the twin's sizes, hashes and costs."""
    facts = tomllib.loads(text)
    paths = [file["path"] for file in facts["file"]]
    if set(paths) != set(files):
        raise ValueError(f"the card of {facts['id']} has {paths}, its twin {list(files)}")
    # Split at the tables' heads, so that each entry is changed alone, whatever its order.
    parts = re.split(r"(?m)^(?=\[)", text)
    for index, part in enumerate(parts):
        if part.startswith("[[file]]"):
            data = files[tomllib.loads(part)["file"][0]["path"]]
            digest = hashlib.sha256(data).hexdigest()
            sized = re.sub(r"(?m)^size = .*$", f"size = {len(data)}", part)
            parts[index] = re.sub(r'(?m)^sha256 = "[0-9a-f]+"', f'sha256 = "{digest}"', sized)
    if "tile" in facts:
        cost = f"[cost]\ngflop_per_megapixel = {gflop:.3f}\npeak_bytes_per_pixel = 600\n\n"
    else:
        cost = f"[cost]\ngflop_per_run = {gflop:.3f}\npeak_bytes = 200_000_000\n\n"
    kept = [part for part in parts if not part.startswith("[cost]")]
    before = next((n for n, part in enumerate(kept) if part.startswith("[[source]]")), len(kept))
    return "".join([*kept[:before], cost, *kept[before:]])


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a tile of a slow twin")
    parser.add_argument("--padding", type=int, default=0, help="bytes to add to each download")
    parser.add_argument("--variant", action="append", default=[], metavar="MODEL=VARIANT")
    given = parser.parse_args()
    variants = {}
    for text in given.variant:
        model, _, name = text.partition("=")
        variants[model] = Variant(name)
    cards, hub = given.folder / "cards", given.folder / "hub"
    write_catalogue(cards, hub, variants, seconds=given.seconds, padding=given.padding)
    sys.stdout.write(f"NSS_CARDS={cards}\n{hub}\n")


if __name__ == "__main__":
    _main()
