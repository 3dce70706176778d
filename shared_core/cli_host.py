"""The command line as a host: an image file is its document, with one layer."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import imagefile
from .bridge import __version__, wire
from .bridge.arena import Arena, selected_size
from .bridge.errors import UsageError
from .bridge.host import Source
from .bridge.paths import Paths
from .bridge.receipt import Receipt, to_dict


@dataclass
class FileHost:
    """Reads ``image``, writes the result to ``output``; the source file is never written."""

    paths: Paths
    image: Path
    output: Path
    mask: Path | None = None
    name: str = "command line"
    version: str = __version__

    def __post_init__(self) -> None:
        imagefile.check_target(self.output)
        same = False
        # A name that the system refuses is reported when the file is read or written.
        with contextlib.suppress(OSError):
            same = self.output.samefile(self.image)
        if same:
            raise UsageError(f"{self.output}: the result must not replace the source picture.")

    def layers(self) -> Sequence[Path]:
        """The one picture."""
        return [self.image]

    def read(self, layer: Path, arena: Arena) -> Source:
        """The picture's pixels and the mask as pixel files."""
        image = imagefile.read(layer)
        if image.note:
            print(f"{layer.name}: {image.note}", file=sys.stderr)
        height, width = image.pixels.shape[:2]
        pixels = arena.create(width, height, image.depth, "rgba", image.curve, image.grey)
        arena.write(pixels, _bytes_of(image.pixels))
        mask: wire.PixelFile | None = None
        selected = None
        if self.mask is not None:
            selection = _bytes_of(imagefile.read_mask(self.mask, width, height))
            selected = selected_size(selection, width)
            mask = arena.create(width, height, "u8", "mask")
            arena.write(mask, selection)
        return Source(
            name=layer.stem,
            pixels=pixels,
            mask=mask,
            selected=selected,
            previous=image.receipts[-1] if image.receipts else None,
            private=image,
        )

    def write(
        self, layer: Path, source: Source, arena: Arena, result: wire.PixelFile, receipt: Receipt
    ) -> None:
        """The result with its receipt as a new file, complete or not at all."""
        import numpy as np

        like: imagefile.Image = source.private
        pixels: Any = np.frombuffer(arena.read(result), like.pixels.dtype)
        imagefile.write(
            self.output,
            pixels.reshape(like.pixels.shape),
            like,
            [to_dict(receipt)],
            like.source_type,
        )


def _bytes_of(pixels: Any) -> memoryview:
    """A contiguous array's bytes, without a copy."""
    return memoryview(pixels).cast("B")
