"""What a container allows this process: memory and processor time, from cgroup versions 1 and 2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class MemoryLimit:
    """Bytes that the group may use, and bytes in use that cannot be given back at once."""

    limit: int
    used: int


def memory_limits(root: Path = ROOT, membership: Path = MEMBERSHIP) -> list[MemoryLimit]:
    """The memory limits of this process's groups and of all above them; none set: empty."""
    found = []
    for folder, version in _folders("memory", root, membership):
        names = ("memory.max", "memory.current", "inactive_file")
        if version == 1:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        limit, used = _number(folder / names[0]), _number(folder / names[1])
        if limit is not None and used is not None:
            # Cached file pages count as used, but the kernel drops them before it runs short.
            found.append(MemoryLimit(limit, max(0, used - _statistic(folder, names[2]))))
    return found


def processor_quota(root: Path = ROOT, membership: Path = MEMBERSHIP) -> float | None:
    """How many processors' time the groups of this process may use; None where unlimited."""
    quotas = []
    for folder, version in _folders("cpu", root, membership):
        if version == 2:
            words = _text(folder / "cpu.max").split()
            quota, period = [*words, "", ""][:2]
        else:
            quota = _text(folder / "cpu.cfs_quota_us")
            period = _text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _folders(controller: str, root: Path, membership: Path) -> list[tuple[Path, int]]:
    """The group folders that limit ``controller``, innermost first, with the cgroup version.

    Within a container the membership often names a path that is not mounted there; then the
    mounted root is the group itself.
    """
    folders = []
    for line in _text(membership).splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            base, version = root, 2
        elif controller in controllers.split(","):
            base, version = root / controller, 1
        else:
            continue
        group = base / path.lstrip("/")
        while group != base and base in group.parents:
            folders.append((group, version))
            group = group.parent
        folders.append((base, version))
    return folders


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.isdigit() else None


def _statistic(folder: Path, name: str) -> int:
    for line in _text(folder / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return 0
