"""Graphics adapters as macOS names them. Written from documentation; not run on a Mac yet."""

from __future__ import annotations

import json
import re
import subprocess

from .adapters import FoundAdapter

TIMEOUT_SECONDS = 10
VENDOR_IDS = {"apple": 0x106B, "amd": 0x1002, "intel": 0x8086, "nvidia": 0x10DE}
UNITS = {"MB": 1 << 20, "GB": 1 << 30}


def scan() -> list[FoundAdapter]:
    """The adapters that ``system_profiler`` lists (0.3 to 1 second)."""
    try:
        answer = subprocess.run(
            ["/usr/sbin/system_profiler", "SPDisplaysDataType", "-json"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return parse(answer)


def parse(answer: str) -> list[FoundAdapter]:
    """The adapters in the JSON of ``system_profiler SPDisplaysDataType -json``."""
    try:
        items = json.loads(answer)["SPDisplaysDataType"]
        return [_adapter(item) for item in items]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _adapter(item: dict[str, str]) -> FoundAdapter:
    vendor = item.get("spdisplays_vendor", "").lower()
    memory = re.match(r"([\d.]+) (MB|GB)$", item.get("spdisplays_vram", ""))
    device = item.get("spdisplays_device-id", "")
    return FoundAdapter(
        name=item.get("sppci_model") or item.get("_name", ""),
        vendor_id=next((code for name, code in VENDOR_IDS.items() if name in vendor), None),
        device_id=int(device, 16) if device.startswith("0x") else None,
        # Apple's own chips and Intel's share the processor's memory and list none of their own.
        memory_total=int(float(memory[1]) * UNITS[memory[2]]) if memory else None,
    )
