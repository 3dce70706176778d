"""The measurement of this machine as text for people, with advice."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ..bridge.wire import duration, megabytes
from .libraries import PROJECT, REMOTE
from .profile import DISTURBED_SHARE

KIND_TITLES = {
    "conv3x3": "convolution",
    "depthwise": "depthwise convolution",
    "block_deep": "network block, deep",
    "block_full": "network block, full size",
    "attention": "attention",
    "resize": "resize",
}
NEEDED_BYTES = 4 << 30


def report(profile: Mapping[str, Any], tiers: Mapping[str, Any] | None = None) -> str:
    """Plain text of several lines from ``profile.to_dict``'s values and the tiers' advice."""
    cpu, memory = profile["cpu"], profile["memory"]
    lines = [
        "Processor",
        f"  {cpu['name']}: {_count(cpu['cores_usable'], 'core')} usable "
        f"of {cpu['cores_physical']} physical",
        f"  {', '.join(cpu['instruction_sets']) or 'instruction sets unknown'}",
        "Memory",
        f"  {_gb(memory['free_bytes'])} free of {_gb(memory['total_bytes'])}",
        "Graphics adapters",
    ]
    for adapter in profile["adapters"]:
        lines += _adapter(adapter)
    if not profile["adapters"]:
        lines.append("  none found")
    lines.append(f"onnxruntime {profile['onnxruntime'] or 'is not usable'}")
    for provider in profile["providers"]:
        lines += _provider(provider)
    if tiers:
        lines += ["Tiers, for a photo of 12 megapixels", *_tiers(tiers)]
    sentences = advice(profile)
    lines += ["Advice", *(f"  {sentence}" for sentence in sentences)] if sentences else []
    lines.append(f"Measured {profile['measured']} in {profile['seconds']:.1f} s")
    return "\n".join(lines)


def line(tiers: Mapping[str, Any], provider: Mapping[str, Any] | None) -> str:
    """What matters most, in one line: the recommended tier, the device at work, and why.

    ``provider`` is the one of the profile that models run on, None where none works.
    """
    parts = [tiers["recommended"].capitalize()]
    if provider is None:
        parts.append("no model can run here")
    else:
        device = f" ({provider['device']})" if provider["device"] else ""
        parts.append(f"{provider['title']}{device}")
    return " · ".join([*parts, tiers["reason"].partition(";")[0].rstrip(".")])


def advice(profile: Mapping[str, Any], system: str = sys.platform) -> list[str]:
    """What would make this machine do more, a sentence each."""
    found = []
    bound = {provider["id"] for provider in profile["providers"] if provider["bound"]}
    offered = {provider["id"] for provider in profile["providers"]}
    usable = {a["vendor"] for a in profile["adapters"] if a["usable"]}
    if "CPUExecutionProvider" not in bound:
        found.append("Without a working onnxruntime every tool runs its classical path.")
    if "NVIDIA" in usable and "CUDAExecutionProvider" not in offered:
        found.append(
            "There is an NVIDIA card, and this onnxruntime is built without CUDA. In an "
            "environment of its own:  pip uninstall onnxruntime,  then "
            f'pip install "{PROJECT}[cuda]" (1.3 to 1.6 GB).'
        )
    elif usable and system == "win32" and offered <= {"CPUExecutionProvider", REMOTE}:
        found.append(
            "There is a graphics card, and this onnxruntime is built for the processor alone. In "
            "an environment of its own:  pip uninstall onnxruntime,  then "
            f'pip install "{PROJECT}[directml]".'
        )
    if profile["memory"]["free_bytes"] < NEEDED_BYTES:
        found.append("Little memory is free: close other programs before running large models.")
    if profile["disturbed"] > DISTURBED_SHARE:
        found.append(
            f"Other programs used {profile['disturbed']:.0%} of the processor during the "
            "measurement, so the speeds are too low. Measure again when the machine is quiet."
        )
    return found


def _adapter(adapter: Mapping[str, Any]) -> list[str]:
    details = [adapter["driver"] and f"driver {adapter['driver']}"]
    if adapter["memory_total"] is not None:
        free = adapter["memory_free"]
        details.append(
            _gb(adapter["memory_total"]) + ("" if free is None else f", {_gb(free)} free")
        )
    if adapter["compute_capability"]:
        details.append(f"compute capability {adapter['compute_capability']}")
    facts = ", ".join(detail for detail in details if detail)
    lines = [f"  {adapter['name']}{f' ({facts})' if facts else ''}"]
    return lines if adapter["usable"] else [*lines, f"    refused: {adapter['reason']}"]


def _provider(provider: Mapping[str, Any]) -> list[str]:
    if not provider["bound"]:
        return [f"  {provider['title']}: not used", f"    {provider['reason']}"]
    device = f", {provider['device']}" if provider["device"] else ""
    lines = [f"  {provider['title']}: works{device}"]
    for kind, rate in provider["gflops"].items():
        lines.append(f"    {KIND_TITLES.get(kind, kind):<25}{rate:>10,.1f} GFLOP/s")
    error = provider["max_relative_error"]
    lines.append(
        f"    {provider['placed']:.0%} of the heavy operations placed there, "
        f"largest deviation {error:.1g}"
    )
    return lines


def _tiers(advised: Mapping[str, Any]) -> list[str]:
    lines = []
    for tier in advised["tiers"]:
        mark = "recommended, " if tier["id"] == advised["recommended"] else ""
        lines.append(
            f"  {tier['id'].capitalize()}: {mark}{megabytes(tier['download_bytes'])} to download, "
            f"{megabytes(tier['missing_bytes'])} of it still missing"
            if tier["download_bytes"]
            else f"  {tier['id'].capitalize()}: {mark}nothing to download"
        )
        for tool in tier["tools"]:
            took = "" if tool["seconds"] is None else f", about {duration(tool['seconds'])}"
            # What it would do all the same is for the user to decide.
            alone = f", not by itself: it {tool['against']}" if tool["against"] else ""
            lines.append(f"    {tool['tool']:<20}{tool['title']}{alone or took}")
    return [*lines, f"  {advised['reason']}"]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
