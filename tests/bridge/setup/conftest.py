"""A workshop with tiny wheels, and a user without any of this machine's own package settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import workshop as shop

from shared_core.bridge.paths import Paths, paths


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[shop.Workshop]:
    uv = pytest.importorskip("uv")
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "NSS_")):
            monkeypatch.delenv(name)
    with shop.opened(tmp_path / "shop", Path(uv.find_uv_bin())) as made:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", made.index.url)
        monkeypatch.setenv("NSS_HOME", str(tmp_path / "ein Zuhause ü"))
        yield made


@pytest.fixture
def where(workshop: shop.Workshop) -> Paths:
    return paths()
