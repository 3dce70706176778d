"""Do pyproject.toml, constraints.txt and the hash-locked requirements agree?"""

from __future__ import annotations

import importlib.metadata
import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shared_core.bridge.setup import fetch, locks

ROOT = Path(__file__).resolve().parents[3]
INTEL_MAC = {"sys_platform": "darwin", "platform_machine": "x86_64"}
PLATFORMS = ("linux-x86_64", "linux-arm64", "win-x86_64", "macosx-arm64", "macosx-x86_64")


def lock_script() -> Any:
    """The maintainers' script, which lies in no package."""
    spec = spec_from_file_location("lock", ROOT / "packaging" / "lock.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = lock_script()


def pins(name: str) -> list[tuple[str, str, str]]:
    return [script.pin(block) for block in script.blocks(text(name))]


def text(name: str) -> str:
    return (locks.LOCKS / f"{name}.txt").read_text("utf-8")


ALL = (locks.BASE, *(flavour.id for flavour in locks.FLAVOURS))


def test_the_locks_are_made_from_the_present_files() -> None:
    """After a change of the dependencies: make lock."""
    names = {pin[0] for name in ALL for pin in pins(name)}
    wanted = script.inputs(ROOT, names)
    for name in ALL:
        assert f"# inputs {wanted}\n" in text(name), f"{name}.txt is out of date: make lock"


def test_every_dependency_is_locked_as_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for extra in (None, *(flavour.id for flavour in locks.FLAVOURS[1:])):
        declared = [Requirement(line) for line in project["dependencies"]]
        found = pins(locks.BASE) + pins(extra or locks.CPU)
        if extra:
            declared = [d for d in declared if canonicalize_name(d.name) != "onnxruntime"]
            declared += [Requirement(line) for line in project["optional-dependencies"][extra]]
        for requirement in declared:
            versions = [v for n, v, _ in found if n == canonicalize_name(requirement.name)]
            assert any(v in requirement.specifier for v in versions), (extra, str(requirement))


def test_one_onnxruntime_in_each_environment() -> None:
    """Two would overwrite each other's files."""
    assert not [name for name, _, _ in pins(locks.BASE) if name.startswith("onnxruntime")]
    for flavour in locks.FLAVOURS:
        names = {name for name, _, _ in pins(flavour.id) if name.startswith("onnxruntime")}
        assert len(names) == 1, (flavour.id, names)


def test_constraints_say_the_same() -> None:
    constrained = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        constrained[canonicalize_name(requirement.name)] = specifier.version
    for name, version, marker in pins(locks.BASE) + pins(locks.CPU):
        if name in constrained and not (name == "onnxruntime" and "darwin" in marker[-10:]):
            assert version == constrained[name], name


def test_all_that_a_locked_package_needs_is_locked() -> None:
    """By the metadata of the packages as they are installed here."""
    known = {name for name, _, _ in pins(locks.BASE) + pins(locks.CPU)}
    for name in known - {"pip"}:
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for line in needs:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in known, (name, line)


@pytest.mark.parametrize("name", ALL)
def test_every_package_has_hashes(name: str) -> None:
    found = script.blocks(text(name))
    assert found
    for block in found:
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", block)
        assert hashes and len(hashes) == block.count("--hash"), block


def test_the_sizes_are_known_where_it_is_promised() -> None:
    """The processor's packages on every platform; the measured sizes are of that order."""
    for place in PLATFORMS:
        for minor in (11, 12, 13, 14):
            size = locks.download_bytes(locks.CPU, place, (3, minor))
            if (place, minor) == ("macosx-x86_64", 14):
                assert size is None
            else:
                assert size is not None and 60e6 < size < 150e6, (place, minor, size)
    assert locks.download_bytes("cuda", "macosx-arm64", (3, 13)) is None
    assert locks.download_bytes("cuda", "linux-x86_64", (3, 13)) > 1e9  # type: ignore[operator]
    assert locks.download_bytes("directml", "linux-x86_64", (3, 13)) is None
    assert locks.download_bytes("openvino", "win-x86_64", (3, 14)) is None
    assert locks.download_bytes(locks.CPU, "linux-x86_64", (3, 10)) is None


def test_uv_is_pinned_for_every_system() -> None:
    table = json.loads((locks.LOCKS / "uv.json").read_text("utf-8"))
    assert len({pin["name"].split("-")[1] for pin in table.values()}) == 1
    for system in ("linux", "win32", "darwin"):
        for machine in ("x86_64", "AMD64", "arm64", "aarch64"):
            pin = fetch.pinned(system=system, machine=machine)
            assert re.fullmatch("[0-9a-f]{64}", pin.sha256) and pin.size > 10e6


def test_a_flavour_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="no flavour"):
        locks.flavour("voodoo")
