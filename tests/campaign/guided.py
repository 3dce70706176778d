"""Messages that a coverage-guided fuzzer (atheris) finds for the decoder of the wire.

A body is either refused with ``WireError`` or is a message that reads back as the same one; nothing
else may come of it. ``python -m tests.campaign.guided COUNT SEED FOLDER`` is the fuzzer's process,
which begins with the bodies of FOLDER.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import random
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared_core.bridge import codec, wire

from .forge import Forge

COUNT = 1_000_000
STARTS = 400
MOST_BYTES = 16_384
MEMORY_MB = 1024
ONE_SECONDS = 10
HERE = importlib.util.find_spec("atheris") is not None


@dataclass
class Tally:
    """What came of it; ``branches`` of the decoder were reached."""

    wanted: int = 0
    bodies: int = 0
    branches: int = 0
    kept: int = 0
    wrong: list[str] = field(default_factory=list)


def campaign(folder: Path, seed: int, count: int) -> Tally:
    """``count`` bodies in a process of their own, since the fuzzer ends it."""
    starts = folder / "bodies"
    starts.mkdir(parents=True)
    forge = Forge(random.Random(f"{seed} guided"), _good())
    for number in range(STARTS):
        (starts / str(number)).write_bytes(forge.body()[1][:MOST_BYTES])
    command = [sys.executable, "-m", __name__, str(count), str(seed), str(starts)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    tally = Tally(wanted=count)
    for found in re.finditer(r"^#(\d+).*? cov: (\d+) .*?corp: (\d+)/", done.stderr, re.MULTILINE):
        tally.bodies, tally.branches, tally.kept = map(int, found.groups())
    if done.returncode:
        tally.wrong.append((done.stdout + done.stderr)[-2000:])
    return tally


def _good() -> list[Any]:
    size = wire.AskPlan("deblur", 64, 48, parameters={"amount": 50.0})
    return [size, wire.Cancel(), wire.Hello(wire.PROTOCOL, "x", "1"), wire.Done("x")]


def look(body: bytes) -> None:
    """Raises whatever is wrong with how ``body`` is taken."""
    with contextlib.suppress(wire.WireError):
        message = codec.decode(body)
        again = codec.decode(codec.encode(message))
        # As texts, since a table of parameters may hold what equals nothing.
        if repr(again) != repr(message):
            raise AssertionError(f"{message!r} reads back as {again!r}")


def _fuzz(count: int, seed: int, starts: Path) -> None:
    import atheris  # noqa: PLC0415

    for function in (codec.decode, codec.build, codec._value, codec._whole, codec._finite):
        setattr(codec, function.__name__, atheris.instrument_func(function))
    options = [f"-runs={count}", f"-seed={seed}", f"-max_len={MOST_BYTES}"]
    options += [f"-rss_limit_mb={MEMORY_MB}", f"-timeout={ONE_SECONDS}"]
    words = starts.parent / "words.txt"
    words.write_text("".join(f"{json.dumps(word)}\n" for word in sorted(codec._TYPES)), "utf-8")
    options += [f"-dict={words}", f"-artifact_prefix={starts.parent}/"]
    atheris.Setup([sys.argv[0], *options, str(starts)], look)
    atheris.Fuzz()


if __name__ == "__main__":
    _fuzz(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
