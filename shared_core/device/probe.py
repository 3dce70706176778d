"""Measures this machine: what it has, which onnxruntime providers really work, and how fast.

A driver can take its process down, so this runs in the runner and never in an editor or in the
supervisor. Only `machine_key` is for everyone.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bridge.errors import Cancelled
from ..bridge.language import _, joined
from .adapters import FoundAdapter, find_adapters, judge_adapter, merely_busy
from .adapters_vulkan import scan
from .libraries import (
    REMOTE,
    adapter_behind,
    how_to_get,
    in_plain_words,
    installed,
    kind_of,
    missing_library,
    preload,
)
from .processor import read_cpu, read_memory
from .profile import CPU_PROVIDER, DISTURBED_SHARE, VALID_HOURS, Adapter, Cpu, Profile, Provider

if TYPE_CHECKING:
    from .benchmark import Graph, Opener

# Part of the key: raise it when the probe measures something else or otherwise.
VERSION = 2
TENSORRT = "TensorrtExecutionProvider"
WEBGPU = "WebGpuExecutionProvider"
PLUGIN = "onnxruntime-ep-webgpu"

# A provider that does not work is tried again the next day: its library may have been installed.
VALID_HOURS_INCOMPLETE = 24.0
# Others were using the card or the processor: measure again soon.
VALID_HOURS_DISTURBED = 1.0

GRAPH_INDEX = Path(__file__).parent / "graphs" / "index.json"

OnProgress = Callable[[float, str], None]


def machine_key() -> str:
    """A name for hardware, drivers, system and packages; another one means: measure again.

    Takes some 30 ms and imports no onnxruntime. Main memory is no part of it: how much there is
    gets read when it is needed.
    """
    cpu = read_cpu()
    cards = [] if platform.system() == "Darwin" else find_adapters()
    identity = {
        "probe": [VERSION, hashlib.sha256(GRAPH_INDEX.read_bytes()).hexdigest()],
        "cpu": [cpu.name, cpu.cores_usable, cpu.cores_physical, cpu.instruction_sets],
        "adapters": sorted(
            [c.slot, c.name, c.vendor_id, c.device_id, c.driver, c.driver_version]
            for c in map(_comparable, cards)
        ),
        "system": [platform.system(), platform.release(), platform.version(), platform.machine()],
        "packages": installed(),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def probe(
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    tensorrt: bool = False,
    open_session: Opener | None = None,
    available: Sequence[str] | None = None,
    adapters: Sequence[Adapter] | None = None,
    vulkan: Sequence[FoundAdapter] | None = None,
) -> Profile:
    """Measure this machine; 2 to 3 seconds for each provider, in this process.

    ``on_progress`` gets a share 0..1 and a sentence, ``cancelled`` is asked between measurements
    and ends them with ``Cancelled``. TensorRT is tried only on demand: it builds an engine for
    minutes. Where onnxruntime is missing or broken the profile says so. ``open_session``,
    ``available``, ``adapters`` and ``vulkan`` stand in for the engine, onnxruntime's list, this
    machine's and Vulkan's.
    """
    started = time.perf_counter()
    key = machine_key()
    cpu, memory = read_cpu(), read_memory()
    cards = tuple(adapters) if adapters is not None else tuple(map(judge_adapter, find_adapters()))
    by_vulkan = [judge_adapter(found) for found in (scan() if vulkan is None else vulkan)]
    cards += tuple(card for card in by_vulkan if card.ident not in {c.ident for c in cards})
    version, names, trouble = _onnxruntime(available)
    providers: list[Provider] = []
    disturbed = 0.0
    if trouble:
        providers.append(Provider(CPU_PROVIDER, kind_of(CPU_PROVIDER).title, False, trouble))
    else:
        trial = _Trial(
            cpu, cards, by_vulkan, open_session, cancelled, on_progress, len(names), tensorrt
        )
        for name in names:
            watch = _Watch.start()
            providers.append(trial.measured(name))
            if name == CPU_PROVIDER:
                disturbed = watch.share_of_others()
    if PLUGIN in installed() and WEBGPU not in names:
        reason = _(
            "{plugin} is installed, but NSS cannot use plug-in providers yet.", plugin=PLUGIN
        )
        if by_vulkan and not any(card.usable for card in by_vulkan):
            reason = joined(" ", [reason, *(card.reason for card in by_vulkan)])
        providers.append(Provider(WEBGPU, kind_of(WEBGPU).title, False, reason))
    gflops = next((p.gflops for p in providers if p.id == CPU_PROVIDER), {})
    if on_progress:
        on_progress(1.0, _("This machine is measured."))
    return Profile(
        cpu=replace(cpu, gflops=gflops),
        memory=memory,
        adapters=cards,
        providers=tuple(providers),
        onnxruntime=version,
        key=key,
        measured=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - started, 3),
        valid_hours=_valid_hours(cards, providers, disturbed),
        disturbed=round(disturbed, 3),
    )


class _Trial:
    """One round over the providers; the processor comes first, its answers judge the others."""

    def __init__(
        self,
        cpu: Cpu,
        adapters: Sequence[Adapter],
        by_vulkan: Sequence[Adapter],
        open_session: Opener | None,
        cancelled: Callable[[], bool] | None,
        on_progress: OnProgress | None,
        count: int,
        tensorrt: bool,
    ) -> None:
        from . import benchmark

        self._benchmark = benchmark
        self._kinds: Mapping[str, Sequence[Graph]] = benchmark.graphs()
        self._cpu = cpu
        self._adapters = adapters
        self._by_vulkan = by_vulkan
        self._open = open_session or _engine_session
        self._open_alone = None if open_session else _engine_session_alone
        self._cancelled = cancelled
        self._on_progress = on_progress
        self._steps = max(1, count * len(self._kinds))
        self._done = 0
        self._tensorrt = tensorrt
        self._reference: Mapping[str, Any] = {}

    def measured(self, name: str) -> Provider:
        """The provider as it behaves, or why it is not used."""
        kind = kind_of(name)
        refusal = self._refusal(name)
        if refusal:
            return Provider(name, kind.title, False, refusal)
        is_cpu = name == CPU_PROVIDER
        tolerance = self._benchmark.CPU_TOLERANCE if is_cpu else self._benchmark.DEVICE_TOLERANCE
        try:
            if not is_cpu:
                preload(name)
            outcome = self._benchmark.measure(
                name,
                self._open,
                self._kinds,
                reference=self._reference,
                open_alone=self._open_alone,
                tolerance=tolerance,
                cancelled=self._cancelled,
                on_kind=lambda operation: self._step(kind.title, operation),
            )
        except Cancelled:
            raise
        except self._benchmark.NotTrusted as error:
            return Provider(name, kind.title, False, self._explain(name, str(error)))
        except Exception as error:  # Drivers raise anything; onnxruntime's are bare Exceptions.
            said = in_plain_words(str(getattr(error, "reason", error)) or type(error).__name__)
            return Provider(
                name, kind.title, False, self._explain(name, _("It fails: {said}.", said=said))
            )
        if is_cpu:
            self._reference = outcome.answers
        return Provider(
            id=name,
            title=kind.title,
            bound=True,
            device=self._device(name),
            gflops={operation: round(rate, 3) for operation, rate in outcome.gflops.items()},
            max_relative_error=outcome.max_relative_error,
            placed=outcome.placed,
            setup_seconds=round(outcome.setup_seconds, 3),
        )

    def _refusal(self, name: str) -> str:
        """Why the provider is not even tried, or nothing."""
        kind = kind_of(name)
        if name == REMOTE:
            return _("It would send pictures to a service on the network; NSS never does.")
        if name == TENSORRT and not self._tensorrt:
            return _(
                "It builds an engine for minutes for each model, so it is tried only on demand."
            )
        if kind.vendor is None:
            return ""
        # Those that have a Vulkan driver are the only ones that WebGPU finds where there is Vulkan.
        cards = self._by_vulkan if name == WEBGPU and self._by_vulkan else self._adapters
        candidates = [card for card in cards if not kind.vendor or card.vendor == kind.vendor]
        if candidates and not any(card.usable for card in candidates):
            return " ".join(card.reason for card in candidates)
        return ""

    def _explain(self, name: str, said: str) -> str:
        """The whole reason: what was seen, which card or library is missing, what to install."""
        if name == CPU_PROVIDER:
            return said
        kind = kind_of(name)
        parts = [said]
        if kind.vendor and not any(card.vendor == kind.vendor for card in self._adapters):
            parts.append(_("No {vendor} card was found.", vendor=kind.vendor))
        parts.append(how_to_get(name, missing_library(name)))
        return " ".join(part for part in parts if part)

    def _device(self, name: str) -> str:
        if name == CPU_PROVIDER:
            return self._cpu.name
        card = adapter_behind(name, self._adapters)
        return card.name if card else _listed_device(name)

    def _step(self, title: str, operation: str) -> None:
        if self._on_progress:
            share = min(0.99, self._done / self._steps)
            self._on_progress(
                share, _("Measuring {title}: {operation}", title=title, operation=operation)
            )
        self._done += 1


@dataclass(frozen=True)
class _Watch:
    """How much of the processors others used between two moments."""

    wall: float
    own: float
    busy: float

    @staticmethod
    def start() -> _Watch:
        import psutil

        times = psutil.cpu_times()
        return _Watch(time.perf_counter(), time.process_time(), _busy(times))

    def share_of_others(self) -> float:
        """Share 0..1 of this machine's processor time that other processes took since the start."""
        now = _Watch.start()
        wall = (now.wall - self.wall) * (os.cpu_count() or 1)
        others = (now.busy - self.busy) - (now.own - self.own)
        return min(1.0, max(0.0, others / wall)) if wall > 0 else 0.0


def _busy(times: Any) -> float:
    # Guests are counted in user time already.
    idle = {"idle", "iowait", "guest", "guest_nice"}
    return float(sum(value for name, value in times._asdict().items() if name not in idle))


def _engine_session(path: Path, provider: str) -> Any:
    from ..engine.session import open_session

    return open_session(path, provider)


def _listed_device(provider: str) -> str:
    """The device that onnxruntime itself lists for a provider, where this version has a list."""
    import onnxruntime

    try:
        devices = onnxruntime.get_ep_devices()
        own = [d.device for d in devices if d.ep_name == provider and d.device.type.name != "CPU"]
        return str(own[0].metadata.get("Description") or own[0].vendor) if own else ""
    except Exception:  # Older versions have none, and a driver may fail while it is asked.
        return ""


def _engine_session_alone(path: Path, provider: str) -> Any:
    from ..engine.session import open_session

    return open_session(path, provider, alone=True)


def _onnxruntime(available: Sequence[str] | None) -> tuple[str, list[str], str]:
    """Version, providers with the processor first, and what is wrong with the installation."""
    try:
        import onnxruntime

        version = str(onnxruntime.__version__)
        names = list(onnxruntime.get_available_providers() if available is None else available)
    except Exception as error:  # A broken installation fails in many ways, not by ImportError only.
        said = " ".join(str(error).split())[:200]
        return (
            "",
            [],
            _(
                "onnxruntime cannot be loaded ({said}). Install it with  pip install onnxruntime.",
                said=said,
            ),
        )
    return version, sorted(names, key=lambda name: name != CPU_PROVIDER), ""


def _valid_hours(
    adapters: Sequence[Adapter], providers: Sequence[Provider], disturbed: float
) -> float:
    if disturbed > DISTURBED_SHARE or any(merely_busy(card) for card in adapters):
        return VALID_HOURS_DISTURBED
    tried = [p for p in providers if p.id not in (REMOTE, TENSORRT, WEBGPU)]
    return VALID_HOURS if all(p.bound for p in tried) else VALID_HOURS_INCOMPLETE


def _comparable(card: FoundAdapter) -> FoundAdapter:
    """The adapter with values that sort."""
    return replace(
        card,
        vendor_id=card.vendor_id or 0,
        device_id=card.device_id or 0,
        driver=card.driver or "",
    )
