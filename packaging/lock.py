"""Locks the worker's packages: `python packaging/lock.py [--uv UV]`, for maintainers.

Writes the hash-locked requirements of every flavour, the sizes of their wheels on each platform,
and the pins of uv, into shared_core/bridge/setup/requirements. Needs uv and a package index; run it
whenever pyproject.toml or constraints.txt change. `tests/test_locks.py` holds the three together.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomllib
from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from shared_core.bridge.setup import index, locks  # noqa: E402

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
UV_PLATFORMS = {
    "manylinux-x86_64": r"manylinux_2_17_x86_64",
    "manylinux-arm64": r"manylinux_2_17_aarch64",
    "win-x86_64": r"win_amd64",
    "win-arm64": r"win_arm64",
    "macosx-x86_64": r"macosx_.*_x86_64",
    "macosx-arm64": r"macosx_.*_arm64",
}
# The oldest systems that are promised: glibc 2.34 and macOS 14, as onnxruntime's wheels are. OpenCV
# has no wheel for Windows on ARM, which runs a Python for x86-64 as well.
_LINUX = [f"manylinux_2_{minor}" for minor in range(34, 16, -1)] + [
    "manylinux2014",
    "manylinux2010",
    "manylinux1",
    "linux",
]
TARGETS: dict[str, tuple[list[str], dict[str, str]]] = {
    "linux-x86_64": (
        [f"{name}_x86_64" for name in _LINUX],
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    ),
    "linux-arm64": (
        [f"{name}_aarch64" for name in _LINUX],
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    ),
    "win-x86_64": (
        ["win_amd64"],
        {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64"},
    ),
    "macosx-arm64": (
        list(mac_platforms((14, 0), "arm64")),
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
    ),
    "macosx-x86_64": (
        list(mac_platforms((14, 0), "x86_64")),
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "x86_64"},
    ),
}
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(?:;\s*([^\\]+?))?\s*(?:\\|$)")


def blocks(text: str) -> list[str]:
    """The requirements of a lock, each with the lines of its hashes."""
    found: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            found[-1] += line
        else:
            found.append(line)
    return found


def pin(block: str) -> tuple[str, str, str]:
    """Name, version and marker of a requirement."""
    match = _PIN.match(block)
    if match is None:
        raise SystemExit(f"Not a pinned requirement: {block.splitlines()[0]}")
    return canonicalize_name(match[1]), match[2], match[3] or ""


def inputs(root: Path, names: Iterable[str]) -> str:
    """A digest of what the locks are made from: dependencies, and the constraints on ``names``."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {f.id: project["optional-dependencies"].get(f.id) for f in locks.FLAVOURS}
    wanted = set(names)
    constraints = sorted(
        line
        for line in (root / "constraints.txt").read_text("utf-8").splitlines()
        if canonicalize_name(line.partition("==")[0]) in wanted
    )
    said = json.dumps([project["dependencies"], extras, constraints], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def compiled(uv: str, *options: str) -> list[str]:
    """What uv resolves for all platforms at once."""
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-header", "--no-annotate", "--only-binary", ":all:"]
    command += ["--constraints", "constraints.txt", *options, "pyproject.toml", "-"]
    # pip itself, so that a later plug-in can bring its worker into the environment.
    done = subprocess.run(
        command, cwd=ROOT, input="pip\n", capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"uv could not resolve the requirements:\n{done.stderr}")
    return blocks(done.stdout)


class Listing:
    """The wheels that the index has of a package."""

    def __init__(self) -> None:
        self._known: dict[str, list[Mapping[str, Any]]] = {}
        self._address = index.settings().addresses[0]

    def wheels(self, name: str, version: str) -> list[Mapping[str, Any]]:
        """Name, size and hashes of each wheel of that version."""
        if name not in self._known:
            request = urllib.request.Request(
                f"{self._address}/{name}/",
                headers={"Accept": "application/vnd.pypi.simple.v1+json"},
            )
            with urllib.request.urlopen(request, timeout=60) as reply:
                self._known[name] = json.load(reply)["files"]
        found = [f for f in self._known[name] if f["filename"].endswith(".whl")]
        return [f for f in found if str(parse_wheel_filename(f["filename"])[1]) == version]


def size(listing: Listing, block: str, target: str, python: str) -> int | None:
    """Bytes of the wheel that this platform takes; 0 where it needs none, None where none fits."""
    name, version, marker = pin(block)
    platforms, facts = TARGETS[target]
    number = tuple(map(int, python.split(".")))
    here = {
        **facts,
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "nt" if target.startswith("win") else "posix",
    }
    if marker and not Marker(marker).evaluate(here):
        return 0
    order: list[Tag] = [*cpython_tags(number, platforms=platforms)]
    order += compatible_tags(number, f"cp{number[0]}{number[1]}", platforms)
    best: tuple[int, int] | None = None
    for wheel in listing.wheels(name, version):
        tags = parse_wheel_filename(wheel["filename"])[3]
        places = [order.index(tag) for tag in tags if tag in order]
        if places and wheel["hashes"]["sha256"] in block:
            best = min(best or (len(order), 0), (min(places), int(wheel["size"])))
    return best[1] if best else None


def sizes(listing: Listing, requirements: Sequence[str]) -> dict[str, dict[str, int]]:
    """Bytes to download on each platform and Python for which there are all wheels."""
    table: dict[str, dict[str, int]] = {}
    for target in TARGETS:
        for python in PYTHONS:
            each = [size(listing, block, target, python) for block in requirements]
            # What needs nothing here is a flavour for another system.
            if None not in each and any(each):
                table.setdefault(target, {})[python] = sum(filter(None, each))
    return table


def uv_pins(listing: Listing, version: str) -> dict[str, dict[str, Any]]:
    """uv's wheel for each platform."""
    pins = {}
    for key, pattern in UV_PLATFORMS.items():
        (wheel,) = (
            w for w in listing.wheels("uv", version) if re.search(rf"none-{pattern}", w["filename"])
        )
        facts = {"name": wheel["filename"], "sha256": wheel["hashes"]["sha256"]}
        pins[key] = {**facts, "size": wheel["size"]}
    return pins


def main() -> None:
    parser = argparse.ArgumentParser(prog="lock.py", description=__doc__)
    parser.add_argument("--uv", default="uv", help="uv's program; its version is pinned too")
    uv: str = parser.parse_args().uv
    base = compiled(uv)
    flavours = {locks.CPU: [block for block in base if pin(block)[0].startswith("onnxruntime")]}
    base = [block for block in base if block not in flavours[locks.CPU]]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name}=={version}\n" for name, version, _ in map(pin, base))
        file.flush()
        for flavour in locks.FLAVOURS[1:]:
            whole = compiled(
                uv,
                "--extra",
                flavour.id,
                "--constraints",
                file.name,
                "--no-emit-package",
                "onnxruntime",
            )
            known = {pin(block)[0] for block in base}
            flavours[flavour.id] = [block for block in whole if pin(block)[0] not in known]
    everything = {locks.BASE: base, **flavours}
    names = {pin(block)[0] for requirements in everything.values() for block in requirements}
    head = (
        "# Made by packaging/lock.py from pyproject.toml and constraints.txt; not to be edited.\n"
        f"# inputs {inputs(ROOT, names)}\n"
    )
    listing = Listing()
    table = {}
    for name, requirements in everything.items():
        (locks.LOCKS / f"{name}.txt").write_text(head + "".join(requirements), "utf-8")
        table[name] = sizes(listing, requirements)
        for target in TARGETS:
            print(f"{name:9} {target:14}", table[name].get(target, "no wheels"))
    (locks.LOCKS / "sizes.json").write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    said = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True).stdout
    pins = uv_pins(listing, said.split()[1])
    (locks.LOCKS / "uv.json").write_text(json.dumps(pins, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
