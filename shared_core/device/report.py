"""The measurement of this machine as text for people, with advice."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ..bridge.language import _, joined, ngettext
from ..bridge.wire import duration, megabytes
from .libraries import PROJECT, REMOTE
from .profile import DISTURBED_SHARE

KIND_TITLES = {
    "conv3x3": _("convolution"),
    "depthwise": _("depthwise convolution"),
    "block_deep": _("network block, deep"),
    "block_full": _("network block, full size"),
    "attention": _("attention"),
    "resize": _("resize"),
}
NEEDED_BYTES = 4 << 30


def report(profile: Mapping[str, Any], tiers: Mapping[str, Any] | None = None) -> str:
    """Plain text of several lines from ``profile.to_dict``'s values and the tiers' advice."""
    cpu, memory = profile["cpu"], profile["memory"]
    lines = [
        _("Processor"),
        _in(
            2,
            ngettext(
                "{name}: {count} core usable of {physical} physical",
                "{name}: {count} cores usable of {physical} physical",
                cpu["cores_usable"],
                name=cpu["name"],
                physical=cpu["cores_physical"],
            ),
        ),
        _in(2, ", ".join(cpu["instruction_sets"]) or _("instruction sets unknown")),
        _("Memory"),
        _in(
            2,
            _(
                "{size} free of {total}",
                size=_gb(memory["free_bytes"]),
                total=_gb(memory["total_bytes"]),
            ),
        ),
        _("Graphics adapters"),
    ]
    for adapter in profile["adapters"]:
        lines += _adapter(adapter)
    if not profile["adapters"]:
        lines.append(_in(2, _("none found")))
    version = profile["onnxruntime"]
    lines.append(f"onnxruntime {version}" if version else _("onnxruntime is not usable"))
    for provider in profile["providers"]:
        lines += _provider(provider)
    if tiers:
        lines += [_("Tiers, for a photo of 12 megapixels"), *_tiers(tiers)]
    sentences = advice(profile)
    lines += [_("Advice"), *(_in(2, sentence) for sentence in sentences)] if sentences else []
    lines.append(
        _(
            "Measured {measured} in {seconds:.1f} s",
            measured=profile["measured"],
            seconds=profile["seconds"],
        )
    )
    return joined("\n", lines)


def line(tiers: Mapping[str, Any], provider: Mapping[str, Any] | None) -> str:
    """What matters most, in one line: the recommended tier, the device at work, and why.

    ``provider`` is the one of the profile that models run on, None where none works.
    """
    parts: list[str] = [tiers["recommended"].capitalize()]
    if provider is None:
        parts.append(_("no model can run here"))
    else:
        device = f" ({provider['device']})" if provider["device"] else ""
        parts.append(f"{provider['title']}{device}")
    return joined(" · ", [*parts, tiers["scope"]])


def advice(profile: Mapping[str, Any], system: str = sys.platform) -> list[str]:
    """What would make this machine do more, a sentence each."""
    found = []
    bound = {provider["id"] for provider in profile["providers"] if provider["bound"]}
    offered = {provider["id"] for provider in profile["providers"]}
    usable = {a["vendor"] for a in profile["adapters"] if a["usable"]}
    if "CPUExecutionProvider" not in bound:
        found.append(_("Without a working onnxruntime every tool runs its classical path."))
    if "NVIDIA" in usable and "CUDAExecutionProvider" not in offered:
        found.append(
            _(
                "There is an NVIDIA card, and this onnxruntime is built without CUDA. In an "
                "environment of its own:  pip uninstall onnxruntime,  then pip install "
                '"{project}[cuda]" (1.3 to 1.6 GB).',
                project=PROJECT,
            )
        )
    elif usable and system == "win32" and offered <= {"CPUExecutionProvider", REMOTE}:
        found.append(
            _(
                "There is a graphics card, and this onnxruntime is built for the processor "
                "alone. In an environment of its own:  pip uninstall onnxruntime,  then pip "
                'install "{project}[directml]".',
                project=PROJECT,
            )
        )
    if profile["memory"]["free_bytes"] < NEEDED_BYTES:
        found.append(_("Little memory is free: close other programs before running large models."))
    if profile["disturbed"] > DISTURBED_SHARE:
        found.append(
            _(
                "Other programs used {disturbed:.0%} of the processor during the measurement, "
                "so the speeds are too low. Measure again when the machine is quiet.",
                disturbed=profile["disturbed"],
            )
        )
    return found


def _adapter(adapter: Mapping[str, Any]) -> list[str]:
    details = [adapter["driver"] and _("driver {driver}", driver=adapter["driver"])]
    if adapter["memory_total"] is not None:
        free = adapter["memory_free"]
        total = _gb(adapter["memory_total"])
        details.append(
            total if free is None else _("{size}, {free} free", size=total, free=_gb(free))
        )
    if adapter["compute_capability"]:
        details.append(
            _(
                "compute capability {capability}",
                capability=adapter["compute_capability"],
            )
        )
    facts = joined(", ", [detail for detail in details if detail])
    lines = [
        joined("", ["  ", adapter["name"], " (", facts, ")"] if facts else ["  ", adapter["name"]])
    ]
    return (
        lines
        if adapter["usable"]
        else [*lines, _in(4, _("refused: {reason}", reason=adapter["reason"]))]
    )


def _provider(provider: Mapping[str, Any]) -> list[str]:
    if not provider["bound"]:
        return [
            _in(2, _("{provider}: not used", provider=provider["title"])),
            _in(4, provider["reason"]),
        ]
    device = f", {provider['device']}" if provider["device"] else ""
    lines: list[str] = [_in(2, _("{provider}: works", provider=provider["title"] + device))]
    for kind, rate in provider["gflops"].items():
        title = KIND_TITLES.get(kind, kind)
        lines.append(_in(4, _("{kind}: {rate:,.1f} GFLOP/s", kind=title, rate=rate)))
    error = provider["max_relative_error"]
    placed = _(
        "{placed:.0%} of the heavy operations placed there, largest deviation {error:.1g}",
        placed=provider["placed"],
        error=error,
    )
    lines.append(_in(4, placed))
    return lines


def _tiers(advised: Mapping[str, Any]) -> list[str]:
    lines = []
    for tier in advised["tiers"]:
        told: list[str] = [_("recommended")] if tier["id"] == advised["recommended"] else []
        told.append(
            _(
                "{size} to download, {missing} of it still missing",
                size=megabytes(tier["download_bytes"]),
                missing=megabytes(tier["missing_bytes"]),
            )
            if tier["download_bytes"]
            else _("nothing to download")
        )
        lines.append(joined("", ["  ", tier["id"].capitalize(), ": ", joined(", ", told)]))
        for tool in tier["tools"]:
            model = tool["title"]
            if tool["seconds"] is not None:
                took = _("about {time}", time=duration(tool["seconds"]))
                model = joined(", ", [model, took])
            # What is too much for the limits is for the user to decide.
            lines.append(joined("", [f"    {tool['tool']:<20}", tool["against"] or model]))
    return [*lines, _in(2, advised["reason"])]


def _in(depth: int, text: str) -> str:
    return joined("", [" " * depth, text])


def _gb(count: int) -> str:
    return _("{number:.1f} GB", number=count / 1e9)
