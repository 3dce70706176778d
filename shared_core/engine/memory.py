"""How much memory is free, how much was used, and how many threads are ours."""

from __future__ import annotations

import os
import sys

import psutil  # type: ignore[import-untyped,unused-ignore]

from .limits import memory_limits, processor_quota


def available_bytes() -> int:
    """Memory that can be taken without swapping, within the container's limits."""
    free = int(psutil.virtual_memory().available)
    return max(0, min([free, *(group.limit - group.used for group in memory_limits())]))


def total_bytes() -> int:
    """Main memory in all; the container's where it has less."""
    total = int(psutil.virtual_memory().total)
    return min([total, *(group.limit for group in memory_limits())])


def peak_rss_bytes() -> int:
    """The most memory this process held since it started or since ``reset_peak_rss``."""
    if sys.platform == "linux":
        # Not ru_maxrss: that one is inherited from the parent through fork and exec.
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024


def reset_peak_rss() -> bool:
    """Start the peak anew, so that it belongs to one job; False where the system cannot."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as command:
            command.write("5")
    except OSError:
        return False
    return True


def usable_threads() -> int:
    """Threads that really run at once: cores, this process's share of them, the quota.

    More threads than that cost up to six times the time.
    """
    counts = [psutil.cpu_count(logical=False) or os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        counts.append(len(os.sched_getaffinity(0)))
    quota = processor_quota()
    if quota is not None:
        counts.append(int(quota))
    return max(1, min(counts))
