"""What processor this machine has and how much main memory, the container's limits included."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from ..engine.limits import processor_quota
from ..engine.memory import available_bytes, total_bytes
from .profile import Cpu, Memory

# The instruction sets that onnxruntime's kernels choose between, as Linux names them.
LINUX_FLAGS = {
    "sse4_2": "SSE4.2",
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "f16c": "F16C",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512-VNNI",
    "avx512_bf16": "AVX-512-BF16",
    "amx_tile": "AMX",
    "asimd": "NEON",
    "asimddp": "NEON-DOTPROD",
    "i8mm": "NEON-I8MM",
    "bf16": "NEON-BF16",
    "sve": "SVE",
}
# winnt.h, PF_*: what IsProcessorFeaturePresent answers.
WINDOWS_FEATURES = {
    38: "SSE4.2",
    39: "AVX",
    40: "AVX2",
    41: "AVX-512",
    19: "NEON",
    43: "NEON-DOTPROD",
}
MACOS_FEATURES = {
    "hw.optional.avx2_0": "AVX2",
    "hw.optional.avx512f": "AVX-512",
    "hw.optional.neon": "NEON",
    "hw.optional.arm.FEAT_DotProd": "NEON-DOTPROD",
    "hw.optional.arm.FEAT_I8MM": "NEON-I8MM",
}


def read_cpu() -> Cpu:
    """The processor and how many of its cores this process may use; speeds are not measured."""
    import psutil

    usable = _allowed_cores()
    name, sets = _describe()
    return Cpu(
        name=name or platform.processor() or platform.machine() or "unknown processor",
        cores_usable=usable,
        cores_physical=psutil.cpu_count(logical=False) or usable,
        instruction_sets=sets,
    )


def read_memory() -> Memory:
    """Total and free main memory in bytes, now; the container's where it has less."""
    return Memory(total_bytes(), available_bytes())


def parse_cpuinfo(text: str) -> tuple[str, tuple[str, ...]]:
    """Name and instruction sets from Linux's ``/proc/cpuinfo``."""
    name = re.search(r"^(?:model name|Model|cpu model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    present = set(flags.group(1).split()) if flags else set()
    sets = tuple(title for flag, title in LINUX_FLAGS.items() if flag in present)
    return (name.group(1).strip() if name else ""), sets


def parse_sysctl(text: str) -> tuple[str, tuple[str, ...]]:
    """Name and instruction sets from the lines ``name: value`` of macOS's ``sysctl``."""
    values = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    sets = tuple(title for name, title in MACOS_FEATURES.items() if values.get(name) == "1")
    return values.get("machdep.cpu.brand_string", "").strip(), sets


def _allowed_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = processor_quota()
    return max(1, count if quota is None else min(count, int(quota)))


def _describe() -> tuple[str, tuple[str, ...]]:
    if sys.platform == "linux":
        try:
            text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        return parse_cpuinfo(text)
    if sys.platform == "darwin":
        return _describe_macos()
    if sys.platform == "win32":
        return _describe_windows()
    return "", ()


def _describe_macos() -> tuple[str, tuple[str, ...]]:
    """Not run on a Mac yet."""
    try:
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "machdep.cpu.brand_string", *MACOS_FEATURES],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return "", ()
    return parse_sysctl(answer)


def _describe_windows() -> tuple[str, tuple[str, ...]]:
    """Not run on Windows yet."""
    if sys.platform != "win32":
        return "", ()
    import winreg

    try:
        with winreg.OpenKey(
            winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        ) as key:
            name = str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    except OSError:
        name = ""
    present = ctypes.windll.kernel32.IsProcessorFeaturePresent
    return name, tuple(title for code, title in WINDOWS_FEATURES.items() if present(code))
