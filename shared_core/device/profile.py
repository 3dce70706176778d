"""What was measured on this machine, how it is kept on disk, and how long a model would take here.

The standard library is enough to read a profile: the supervisor plans from it without numpy.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ..bridge.files import replace_text
from ..bridge.language import packed, unpacked

SCHEMA = 1
CPU_PROVIDER = "CPUExecutionProvider"

# A profile is measured again after this time even if nothing is known to have changed: drivers and
# libraries outside of Python are not all part of its key.
VALID_HOURS = 720.0
CLOCK_SLACK = timedelta(hours=24)
# Speeds measured while others used more of the processors than this are too low.
DISTURBED_SHARE = 0.15

# How the operations of a network spread over the measured kinds, fitted on random-weight networks
# of the catalogue's architectures (benchmarks/prediction.py): NAFNet-64 and SCUNet (block),
# NAFNet-32 (block_narrow), DRUNet and IS-Net (conv), GFPGAN, DDColor and Real-ESRGAN (conv_mixed:
# convolutions with much between them), Stable Diffusion's UNet (diffusion). One rate of convolution
# promises twice the speed that blocks reach: they spend their time in narrow layers at full
# resolution and in normalisation between small convolutions.
MIXES: Mapping[str, Mapping[str, float]] = {
    "block": {"block_deep": 0.95, "block_full": 0.05},
    "block_narrow": {"block_deep": 0.82, "block_full": 0.18},
    "conv": {"conv3x3": 1.0},
    "conv_mixed": {"conv3x3": 0.7, "block_deep": 0.3},
    "diffusion": {"conv3x3": 0.6, "attention": 0.4},
}

# GFLOP/s of one core for a machine that has not been measured: about a quarter of what one core of
# a current desktop processor reaches, so that an unmeasured machine is promised too little.
UNMEASURED_RATES: Mapping[str, float] = {
    "conv3x3": 25.0,
    "depthwise": 4.0,
    "block_deep": 15.0,
    "block_full": 6.0,
    "attention": 15.0,
    "resize": 0.5,
}
UNMEASURED_CORES = 4

# Opening a session on the CPU: 0.26 s for 69 MB, 0.84 s for 340 MB, 2.7 s for 917 MB.
LOAD_SECONDS = 0.1
LOAD_BYTES_PER_SECOND = 370e6
# Weights of half precision are widened first: measured on 1.7 GB of them.
LOAD_SLOWER_IF_HALF = 2.5

# A graphics card must beat the processor by this factor before a job is moved there.
WORTH_MOVING = 1.5


@dataclass(frozen=True)
class Cpu:
    """The processor. ``cores_usable`` counts what affinity and quota leave this process."""

    name: str
    cores_usable: int
    cores_physical: int
    instruction_sets: tuple[str, ...] = ()
    gflops: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Memory:
    """Main memory in bytes; where a container has less than the machine, the container's."""

    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Adapter:
    """A graphics adapter. ``kind`` is ``gpu``, ``software``, ``virtual`` or ``display``.

    ``ident`` is the PCI ``vendor:device`` in hexadecimal where there is one. Memory is in bytes;
    None means unknown or shared with the processor. ``reason`` is a sentence when not ``usable``.
    """

    name: str
    vendor: str
    kind: str
    memory_total: int | None
    memory_free: int | None
    driver: str
    usable: bool
    reason: str = ""
    ident: str = ""
    compute_capability: str = ""


@dataclass(frozen=True)
class Provider:
    """One onnxruntime provider as it was found to behave.

    ``gflops`` holds the measured rate per kind of operation, ``max_relative_error`` the largest
    deviation from the reference answers, ``placed`` the least share (0..1) of convolutions and
    matrix products of a probe graph that ran on this provider, ``setup_seconds`` what opening the
    probe's sessions took. Without ``bound`` the ``reason`` says what is missing.
    """

    id: str
    title: str
    bound: bool
    reason: str = ""
    device: str = ""
    gflops: Mapping[str, float] = field(default_factory=dict)
    max_relative_error: float | None = None
    placed: float = 0.0
    setup_seconds: float = 0.0


@dataclass(frozen=True)
class Profile:
    """All that was measured. ``key`` names hardware, drivers and packages; ``measured`` is ISO UTC.

    ``disturbed`` is the share (0..1) of the processors that others used meanwhile. ``valid_hours``
    is short when that was much, or when something that may pass (a busy card, a missing library)
    kept a provider from being measured.
    """

    cpu: Cpu
    memory: Memory
    adapters: tuple[Adapter, ...]
    providers: tuple[Provider, ...]
    onnxruntime: str
    key: str
    measured: str
    seconds: float
    valid_hours: float = VALID_HOURS
    disturbed: float = 0.0

    def provider(self, provider_id: str) -> Provider | None:
        """The provider of that onnxruntime name, or None when onnxruntime does not have it."""
        return next((found for found in self.providers if found.id == provider_id), None)

    def bound(self) -> tuple[Provider, ...]:
        """The providers that work, the fastest on NAFNet-like blocks first."""
        working = [provider for provider in self.providers if provider.bound]
        return tuple(sorted(working, key=lambda p: _seconds_per_gflop(p.gflops, MIXES["block"])))

    def preferred(self) -> Provider | None:
        """The provider to use: the fastest, but the CPU unless another is at least 1.5 times it."""
        working = self.bound()
        cpu = next((provider for provider in working if provider.id == CPU_PROVIDER), None)
        if not working or cpu is None:
            return working[0] if working else None
        cost = _seconds_per_gflop(working[0].gflops, MIXES["block"])
        cpu_cost = _seconds_per_gflop(cpu.gflops, MIXES["block"])
        return working[0] if cost * WORTH_MOVING <= cpu_cost else cpu


def to_dict(profile: Profile) -> dict[str, Any]:
    """The profile as plain JSON values."""
    return {"schema": SCHEMA, **asdict(profile)}


def from_dict(data: Mapping[str, Any]) -> Profile:
    """The profile from ``to_dict``'s values; ValueError when they do not fit."""
    try:
        if data["schema"] != SCHEMA:
            raise ValueError(f"profile schema {data['schema']!r} is not {SCHEMA}")
        cpu, memory = data["cpu"], data["memory"]
        profile = Profile(
            cpu=Cpu(
                name=_text(cpu["name"]),
                cores_usable=_count(cpu["cores_usable"]),
                cores_physical=_count(cpu["cores_physical"]),
                instruction_sets=tuple(_text(name) for name in cpu["instruction_sets"]),
                gflops=_rates(cpu["gflops"]),
            ),
            memory=Memory(_count(memory["total_bytes"]), _count(memory["free_bytes"])),
            adapters=tuple(_adapter(item) for item in data["adapters"]),
            providers=tuple(_provider(item) for item in data["providers"]),
            onnxruntime=_text(data["onnxruntime"]),
            key=_text(data["key"]),
            measured=_text(data["measured"]),
            seconds=_number(data["seconds"]),
            valid_hours=_number(data["valid_hours"]),
            disturbed=_number(data["disturbed"]),
        )
        _moment(profile.measured)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a profile: {error!r}") from error
    return profile


def load(path: Path, key: str, *, now: datetime | None = None) -> Profile | None:
    """The profile stored in ``path``; None if missing, corrupt, too old, or of another ``key``."""
    try:
        profile = from_dict(unpacked(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, RecursionError):
        return None
    if profile.key != key:
        return None
    age = (now or datetime.now(timezone.utc)) - _moment(profile.measured)
    if age > timedelta(hours=profile.valid_hours) or age < -CLOCK_SLACK:
        return None
    return profile


def save(profile: Profile, path: Path) -> None:
    """Write the profile to ``path`` in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(packed(to_dict(profile)), indent=1, allow_nan=False))


def load_seconds(model_bytes: int, *, half: bool = False) -> float:
    """Seconds that opening sessions on files of so many bytes, ``half`` float16, takes on a CPU."""
    slower = LOAD_SLOWER_IF_HALF if half else 1.0
    return LOAD_SECONDS + slower * model_bytes / LOAD_BYTES_PER_SECOND


def predict_seconds(
    profile: Profile | None,
    provider: str,
    gflop: float,
    *,
    mix: str | Mapping[str, float] = "block",
    model_bytes: int = 0,
) -> float:
    """Seconds that ``gflop`` billions of operations of a network take on ``provider``.

    ``mix`` says what the network is made of: a name in MIXES or shares per measured kind (scaled
    to sum to 1). With ``model_bytes``, the size of its files, the opening of the session is
    included. Without a profile a careful rate per core is assumed. ``math.inf`` when the profile
    says that the provider does not work here. Typically right within 25 %, and within 45 % when
    others use the machine: decide with a margin of two.
    """
    shares = MIXES[mix] if isinstance(mix, str) else mix
    load = load_seconds(model_bytes) if model_bytes else 0.0
    if profile is None:
        cores = min(UNMEASURED_CORES, os.cpu_count() or 1)
        rates: Mapping[str, float] = {kind: r * cores for kind, r in UNMEASURED_RATES.items()}
    else:
        found = profile.provider(provider)
        if found is None or not found.bound:
            return math.inf
        rates = found.gflops
    return load + gflop * _seconds_per_gflop(rates, shares)


def _seconds_per_gflop(rates: Mapping[str, float], shares: Mapping[str, float]) -> float:
    """Seconds per GFLOP of a mix; a kind that was not measured counts as the slowest that was."""
    total = sum(shares.values())
    # Interpolation is bound by memory and says nothing about the others.
    others = [rate for kind, rate in rates.items() if kind != "resize"]
    if not others or total <= 0:
        return math.inf
    slowest = min(others)
    return sum(share / rates.get(kind, slowest) for kind, share in shares.items()) / total


def _adapter(data: Mapping[str, Any]) -> Adapter:
    return Adapter(
        name=_text(data["name"]),
        vendor=_text(data["vendor"]),
        kind=_text(data["kind"]),
        memory_total=None if data["memory_total"] is None else _count(data["memory_total"]),
        memory_free=None if data["memory_free"] is None else _count(data["memory_free"]),
        driver=_text(data["driver"]),
        usable=_flag(data["usable"]),
        reason=_text(data["reason"]),
        ident=_text(data["ident"]),
        compute_capability=_text(data["compute_capability"]),
    )


def _provider(data: Mapping[str, Any]) -> Provider:
    error = data["max_relative_error"]
    return Provider(
        id=_text(data["id"]),
        title=_text(data["title"]),
        bound=_flag(data["bound"]),
        reason=_text(data["reason"]),
        device=_text(data["device"]),
        gflops=_rates(data["gflops"]),
        max_relative_error=None if error is None else _number(error),
        placed=_number(data["placed"]),
        setup_seconds=_number(data["setup_seconds"]),
    )


def _rates(data: Mapping[str, Any]) -> dict[str, float]:
    rates = {_text(kind): _number(rate) for kind, rate in data.items()}
    if any(rate <= 0 for rate in rates.values()):
        raise ValueError("a measured rate must be above 0")
    return rates


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{value!r} is no measured quantity")
    return float(value)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return moment
