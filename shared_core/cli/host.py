"""The command line as a host: an image file is its document, with one layer."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import imagefile
from ..bridge import (
    __version__,
    wire,
)
from ..bridge.arena import (
    Arena,
    selected_size,
)
from ..bridge.errors import (
    BadInput,
    CouldNotBeDone,
    UsageError,
)
from ..bridge.host import (
    Result,
    Source,
    Task,
)
from ..bridge.language import _
from ..bridge.paths import Paths
from ..bridge.receipt import (
    Receipt,
    to_dict,
)
from ..bridge.toolbox import Returns
from ..bridge.words import words

# Names under which nobody expects words.
_PICTURES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp")


@dataclass
class FileHost:
    """Reads ``image``, writes the result to ``output``; the source file is never written.

    A generated picture needs no image: then the canvas is empty and of ``size``. ``output`` may be
    None where the result is words. ``mask`` is the selection, ``strokes`` the marks of the user.
    """

    paths: Paths
    image: Path | None
    output: Path | None
    mask: Path | None = None
    strokes: Path | None = None
    size: tuple[int, int] | None = None
    name: str = "command line"
    version: str = __version__

    def layers(self, task: Task) -> Sequence[Path | None]:
        """The one picture; checks the names before anything is read."""
        if self.image is None and task.outcome is not Returns.LAYER:
            raise UsageError(_("{tool} needs a picture: name a file.", tool=task.tool.title))
        if self.output is None:
            if task.outcome is not Returns.TEXT:
                raise UsageError(_("-o OUT is needed: where the result goes, a .png or .tif file."))
            return [self.image]
        if task.outcome is not Returns.TEXT:
            imagefile.check_target(self.output)
        elif self.output.suffix.lower() in _PICTURES:
            raise UsageError(
                _(
                    "The result of {tool} is words, which are no picture: give {name} a name "
                    "that ends in .txt.",
                    tool=task.tool.title,
                    name=repr(self.output.name),
                )
            )
        for given in (self.image, self.mask, self.strokes):
            # A name that the system refuses is reported when the file is read or written.
            with contextlib.suppress(OSError):
                if given is not None and self.output.samefile(given):
                    raise UsageError(
                        _(
                            "{output}: the result must not replace {given}.",
                            output=self.output,
                            given=given,
                        )
                    )
        return [self.image]

    def read(self, layer: Path | None, arena: Arena, task: Task) -> Source:
        """The picture's pixels, the mask and the strokes as pixel files."""
        if layer is None:
            width, height = self.size or (512, 512)
            mask, selected = self._selection(arena, task, width, height)
            canvas = arena.create(width, height, "u8", "rgba", "srgb")
            return Source("canvas", canvas, mask, selected=selected)
        image = imagefile.read(layer)
        if image.note:
            print(f"{layer.name}: {image.note}", file=sys.stderr)
        height, width = image.pixels.shape[:2]
        pixels = arena.create(width, height, image.depth, "rgba", image.curve, image.grey)
        arena.write(pixels, _bytes_of(image.pixels))
        mask, selected = self._selection(arena, task, width, height)
        return Source(
            name=layer.stem,
            pixels=pixels,
            mask=mask,
            strokes=self._strokes(arena, width, height) if task.strokes else None,
            selected=selected,
            previous=image.receipts[-1] if image.receipts else None,
            matte_depth=image.depth,
            private=image,
        )

    def write(
        self,
        layer: Path | None,
        source: Source,
        arena: Arena,
        result: Result,
        receipt: Receipt,
    ) -> None:
        """The result with its receipt as a new file, complete or not at all.

        A cut-out is written with its coverage as alpha, a selection as a grey picture.
        """
        if self.output is None:
            return
        if result.outcome is Returns.TEXT:
            _write_text(self.output, words(receipt))
            return
        like: imagefile.Image | None = source.private
        pixels = _picture(arena, result)
        imagefile.write(
            self.output, pixels, like, [to_dict(receipt)], like.source_type if like else None
        )

    def _selection(
        self, arena: Arena, task: Task, width: int, height: int
    ) -> tuple[wire.PixelFile | None, tuple[int, int] | None]:
        """The mask as a pixel file, and the size of the box around what it selects."""
        if self.mask is None:
            return None, None
        if not task.selection:
            print(
                _(
                    "{tool} works on all of the picture: --mask has no effect.",
                    tool=task.tool.title,
                ),
                file=sys.stderr,
            )
            return None, None
        selection = _bytes_of(imagefile.read_mask(self.mask, width, height))
        mask = arena.create(width, height, "u8", "mask")
        arena.write(mask, selection)
        return mask, selected_size(selection, width)

    def _strokes(self, arena: Arena, width: int, height: int) -> wire.PixelFile:
        if self.strokes is None:
            raise UsageError(_("strokes=above needs --strokes FILE, the picture with the strokes."))
        image = imagefile.read(self.strokes)
        if image.pixels.shape[:2] != (height, width):
            raise BadInput(
                _(
                    "{strokes} has another size than the picture, {width} × {height}. Paint "
                    "the strokes on a copy of it.",
                    strokes=self.strokes,
                    width=width,
                    height=height,
                )
            )
        file = arena.create(width, height, image.depth, "rgba", image.curve, image.grey)
        arena.write(file, _bytes_of(image.pixels))
        return file


def _picture(arena: Arena, result: Result) -> Any:
    """The result as height × width × 4, straight RGBA."""
    import numpy as np

    def array(file: wire.PixelFile) -> Any:
        dtype = {"u8": np.uint8, "u16": np.uint16, "f32": np.float32}[file.depth]
        return np.frombuffer(arena.read(file), dtype).reshape(file.height, file.width, -1)

    matte = array(result.matte) if result.matte else None
    if result.pixels is None:
        return np.concatenate([matte, matte, matte, np.full_like(matte, 255)], axis=2)
    pixels = array(result.pixels)
    if matte is None:
        return pixels
    top = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    alpha = pixels[..., 3] * (matte[..., 0] / np.float64(top))
    whole = pixels.dtype.kind == "u"
    cut = pixels.copy()
    cut[..., 3] = np.rint(alpha) if whole else alpha
    return cut


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise CouldNotBeDone(
            _("{path} cannot be written ({reason}).", path=path, reason=error.strerror or error)
        ) from None


def _bytes_of(pixels: Any) -> memoryview:
    """A contiguous array's bytes, without a copy."""
    return memoryview(pixels).cast("B")
