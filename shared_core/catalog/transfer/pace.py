"""How fast bytes come in, by the last seconds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_WINDOW_SECONDS = 5.0
_LEAST_SECONDS = 0.5


class Pace:
    """The speed of a download of several files, some of which may have been here in part."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self._here: int | None = None
        self._begun = False
        self._gained = 0
        self._speed: float | None = None

    def rest(self) -> None:
        """Nothing comes for a while, and then another file, whose first bytes may be here."""
        self._here = None
        self._begun = False
        self._seen.clear()

    def note(self, here: int) -> float | None:
        """``here`` bytes of a file are here; bytes per second, None before that can be said."""
        now = self._clock()
        if self._here is not None and here > self._here:
            self._gained += here - self._here
            if not self._begun:
                # Until the first bytes came, the hub was asked, and nothing transferred.
                self._begun = True
                self._seen.clear()
        self._here = here
        self._seen.append((now, self._gained))
        while now - self._seen[0][0] > _WINDOW_SECONDS:
            self._seen.popleft()
        begun, before = self._seen[0]
        if self._begun and now - begun >= _LEAST_SECONDS:
            self._speed = (self._gained - before) / (now - begun)
        return self._speed
