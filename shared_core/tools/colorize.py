"""Colorize: DDColor where a model can run, else print palettes or the user's colour strokes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from shared_core.algorithms import chroma, chroma_field, colour_strokes, palettes
from shared_core.algorithms.chroma_field import ChromaField
from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.language import _
from shared_core.catalog import contract
from shared_core.pixels import Box, Picture

from .work import Made, Model, Pixels, Work, asker, network_size

# A strip takes about 60 bytes a pixel beside what is fixed, on each thread.
STRIP_PIXELS = 1 << 17

# Strokes are spread on a picture an eighth as large, or as near to that as these limits let.
_STROKES_SHARE = 8
_STROKES_LEAST = 60_000
_STROKES_MOST = 250_000

# The most that sRGB's own colours have is 108; a little more is a vivid guess, far more an error.
_MOST_CHROMA = 200.0
_MOST_MEAN_CHROMA = 100.0
_LEAST_CHROMA = 1.5

ChromaOf = Callable[[Pixels, int], Pixels]
Recolour = Callable[[Pixels, int], Pixels]


def classical(work: Work) -> Made:
    """The colours of the user's strokes where there are any, else those of a palette."""
    wanted = work.choice("strokes") == "above"
    field = _spread_strokes(work) if wanted else None
    if field is not None:
        tiles = _paint(work, _joined(work, _of_field(work, field)))
        steps = _(
            "{name}, enlarged by {filter}",
            name=colour_strokes.NAME,
            filter=chroma_field.NAME,
        )
        return Made(tiles, _("classical {steps}", steps=steps), _shares(work))
    name = work.choice("palette")
    tiles = _paint(work, _toned(work, name))
    made = _("classical toning ({name})", name=name)
    if wanted:
        made = _("classical toning ({name}), no stroke was found on the layer above", name=name)
    return Made(tiles, made, {"palette": name} | _shares(work))


def real(work: Work, model: Model) -> Made:
    """The model's colours of the region as a square, enlarged, with the source's lightness."""
    region = work.picture.region
    if region.empty:
        return Made(0)
    height, width = _network(model)
    small = _shrunk(work, work.picture, region, width, height)
    shown = contract.Shown(np.dstack([chroma.grey(small)] * 3))
    colours = _checked(_colours(model, asker(work, model), shown))
    if colours.shape[:2] != (height, width):
        # Some networks give them at a part of the size that they see.
        colours = _high(_wide(colours, width), height)
    _paint(work, _joined(work, _of_field(work, ChromaField(chroma.lightness(small), colours))))
    step = _("colours enlarged by {name}, lightness of the source kept", name=chroma_field.NAME)
    return Made(1, step, {"side": width} | _shares(work))


def _shares(work: Work) -> dict[str, float]:
    return {name: work.number(name) / 100 for name in ("strength", "saturation")}


def _network(model: Model) -> tuple[int, int]:
    """Height and width of what the network sees: the whole picture, stretched."""
    side = model.card.run_side
    size = network_size(model) or ((side, side) if side else None)
    if size is None:
        raise CouldNotBeDone(
            _(
                "The card of {model} does not say the size of its input. Choose another model "
                "or the classical path.",
                model=model.card.title,
            )
        )
    return size


def _colours(model: Model, ask: contract.Ask, shown: contract.Shown) -> Pixels:
    """a* and b* (height, width, 2) of what the model gives, be it these or a picture."""
    spec = model.card.outputs[0]
    if spec.channels == contract.AB:
        return contract.read(spec, ask(shown), shown)
    return chroma.chroma(np.clip(contract.enhanced(model.card, ask, shown), 0, 1))


def _checked(colours: Pixels) -> Pixels:
    """``colours`` (height, width, 2), or ``WrongOutput`` where they are no a* and b*."""
    size = np.abs(colours)
    if size.max() > _MOST_CHROMA or size.mean() > _MOST_MEAN_CHROMA:
        raise contract.wrong(
            _(
                "The model gave colours of up to {size:.0f} where about 100 is the most there is.",
                size=size.max(),
            )
        )
    if size.max() < _LEAST_CHROMA:
        raise contract.wrong(_("The model gave no colours."))
    return colours


def _of_field(work: Work, field: ChromaField) -> ChromaOf:
    height = work.picture.region.height
    return lambda lightness, top: field.strip(lightness, top, height)


def _toned(work: Work, palette: str) -> Recolour:
    """Colours by lightness alone, where nothing is kept of the picture's own."""
    strength, saturation = _shares(work).values()
    if strength == 1:
        return lambda rgb, top: palettes.toned(palette, chroma.lightness(rgb), saturation)
    return _joined(work, lambda lightness, top: palettes.palette(palette, lightness))


def _joined(work: Work, chroma_of: ChromaOf) -> Recolour:
    """The chroma that is given for each lightness, mixed with the picture's own.

    ``chroma_of`` gives a* and b* for the lightness (rows, width) of a strip and its first row,
    counted from the region's top.
    """
    strength, saturation = (np.float32(share) for share in _shares(work).values())

    def recolour(rgb: Pixels, top: int) -> Pixels:
        if strength == 0:
            return rgb
        luminance = chroma.luminance(rgb)
        colours = chroma_of(chroma.lightness_of(luminance), top)
        colours *= saturation
        if strength < 1:
            own = chroma.chroma(rgb)
            colours = own + strength * (colours - own)
        return chroma.with_chroma(luminance, colours)

    return recolour


def _paint(work: Work, recolour: Recolour) -> int:
    """Colour the region in strips; how many there were.

    ``recolour`` gives the new colours for those of a strip and its first row, counted from the
    region's top.
    """
    picture = work.picture

    def paint(box: Box) -> None:
        rgb = picture.rgb(box)
        if picture.touches(box):
            rgb = recolour(rgb, box.top - picture.region.top)
        picture.write(box, rgb)

    strips = list(_strips(work, picture.region))
    work.each(strips, paint)
    return len(strips)


def _strips(work: Work, region: Box) -> Iterator[Box]:
    if region.empty:
        return
    rows = max(1, STRIP_PIXELS // work.tile_divisor // region.width)
    for top in range(region.top, region.bottom, rows):
        yield Box(region.left, top, region.width, min(rows, region.bottom - top))


def _shrunk(work: Work, picture: Picture, region: Box, width: int, height: int) -> Pixels:
    """The region's colours as a picture of this size, float32 (height, width, 3)."""
    strips = [_wide(picture.rgb(box), width) for box in _strips(work, region)]
    return _high(np.concatenate(strips), height)


def _wide(array: Pixels, width: int) -> Pixels:
    how = cv2.INTER_AREA if width < array.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(array, (width, array.shape[0]), interpolation=how), np.float32)


def _high(array: Pixels, height: int) -> Pixels:
    how = cv2.INTER_AREA if height < array.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(array, (array.shape[1], height), interpolation=how), np.float32)


def _spread_strokes(work: Work) -> ChromaField | None:
    """The strokes' colours everywhere, on a small picture; None where no stroke is on it."""
    region = work.picture.region
    if work.strokes is None or region.empty:
        return None
    width, height = _strokes_size(region, work.tile_divisor)
    coverage, colours = _small_strokes(work, work.strokes, region, width, height)
    if not coverage.any():
        return None
    lightness = chroma.lightness(_shrunk(work, work.picture, region, width, height))
    # Short beside the strips that follow, which are what is counted.
    spread = colour_strokes.spread(
        lightness, colours, coverage, lambda done, total: work.step(0, 1)
    )
    return ChromaField(lightness, spread)


def _strokes_size(region: Box, divisor: int) -> tuple[int, int]:
    pixels = region.width * region.height
    wanted = min(max(pixels / _STROKES_SHARE, _STROKES_LEAST), _STROKES_MOST) / divisor
    scale = min(1.0, math.sqrt(wanted / pixels))
    return max(1, round(region.width * scale)), max(1, round(region.height * scale))


def _small_strokes(
    work: Work, strokes: Picture, region: Box, width: int, height: int
) -> tuple[Pixels, Pixels]:
    """Coverage (height, width) and a* and b* (height, width, 2) of the strokes, by area."""
    parts = []
    for box in _strips(work, region):
        alpha = strokes.alpha(box)
        if alpha.max() > 0:
            weighted = strokes.rgb(box) * alpha[..., None]
            parts.append(_wide(np.dstack([weighted, alpha]), width))
        else:
            parts.append(np.zeros((box.height, width, 4), np.float32))
    small = _high(np.concatenate(parts), height)
    coverage = small[..., 3]
    colours = small[..., :3] / np.maximum(coverage, np.float32(1e-6))[..., None]
    return coverage, chroma.chroma(np.clip(colours, np.float32(0), np.float32(1)))
