"""How much memory of a graphics card is free now, without waiting for a driver that sleeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from .adapters import FoundAdapter, find_adapters
from .profile import Adapter

# A plan is to be there within a tenth of a second, whatever a driver does.
PATIENCE_SECONDS = 0.03
FRESH_SECONDS = 2.0


class Gauge:
    """Looks in a thread; an answer that takes longer is there for the next question."""

    def __init__(self, look: Callable[[], Iterable[FoundAdapter]] = find_adapters) -> None:
        self._look = look
        self._known: dict[str, int] = {}
        self._looking: threading.Thread | None = None
        self._looked = -FRESH_SECONDS

    def free_bytes(self, adapter: Adapter) -> int | None:
        """Free bytes of ``adapter``, as last known; None where it has no memory of its own."""
        if adapter.memory_total is None:
            return None
        if self._looking is None and time.monotonic() - self._looked > FRESH_SECONDS:
            self._looking = threading.Thread(target=self._read, daemon=True)
            self._looking.start()
        if (thread := self._looking) is not None:
            thread.join(PATIENCE_SECONDS)
        return self._known.get(adapter.name, adapter.memory_free)

    def _read(self) -> None:
        try:
            found = list(self._look())
            self._known = {c.name: c.memory_free for c in found if c.memory_free is not None}
        except Exception:  # Drivers raise anything; what the probe found then still holds.
            self._known = {}
        self._looked = time.monotonic()
        self._looking = None
