"""OpenCV's picture decoder with its failures told apart."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# cv2.Error.StsNoMem
_NO_MEMORY = -4


def imdecode(data: bytes, flags: int) -> NDArray[Any] | None:
    """The picture in ``data`` in OpenCV's channel order, or None when it cannot be decoded.

    Raises ``MemoryError`` when it is too large for the memory.
    """
    try:
        decoded: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if error.code == _NO_MEMORY:
            raise MemoryError from None
        return None
    return decoded
