"""Downloads with faults of chance: any kind, at any byte, of any file, with and without a part.

After each there is to be the model or one clear sentence, never a wrong file; and once the hub is
well again the same download succeeds, without transferring again what was good.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field

from shared_core.catalog.shelf import Shelf
from shared_core.catalog.store import Presence
from tests.fakes.hub import KINDS

from .shop import MODELS, PATIENT_SECONDS, WEIGHTS, Shop, outcome

# Longer than all tries take with the shortened time-outs, and much shorter than for ever.
HANG_SECONDS = 120.0
_LONGEST_SENTENCE = 600


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with one file: see ``tests.fakes.hub.Fault``."""

    file: str
    kind: str
    at: int
    times: int | None


@dataclass(frozen=True)
class Case:
    """One download: of which model, with which troubles, and what is here of which file before.

    ``begun`` is the file, how many bytes, and whether they are the right ones.
    """

    number: int
    model: str
    troubles: tuple[Trouble, ...]
    begun: tuple[str, int, bool] | None

    @property
    def name(self) -> str:
        """For whoever looks into what went wrong."""
        troubles = ", ".join(
            f"{one.kind} at {one.at} of {one.file} × {one.times or 'all'}" for one in self.troubles
        )
        begun = f", begun {self.begun}" if self.begun else ""
        return f"{self.number}: {self.model}, {troubles}{begun}"


@dataclass
class Tally:
    """What came of the downloads."""

    runs: int = 0
    struck: int = 0
    overcome: int = 0
    refused: int = 0
    begun: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    wrong_files: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    not_retried: list[str] = field(default_factory=list)
    transferred_again: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    longest_seconds: float = 0.0

    def join(self, other: Tally) -> None:
        """Add what came of other downloads."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(value, dict):
                for kind, count in value.items():
                    mine[kind] = mine.get(kind, 0) + count
            else:
                both = max(mine, value) if isinstance(value, float) else mine + value
                setattr(self, name, both)

    @property
    def faults(self) -> list[str]:
        """Everything that should not have been."""
        return [
            *self.wrong_files,
            *self.hangs,
            *self.unclear,
            *self.not_retried,
            *self.transferred_again,
            *self.left_over,
        ]


def cases(shop: Shop, count: int, seed: int) -> list[Case]:
    """``count`` cases of chance, the same for the same seed."""
    return [
        _case(shop, number, random.Random(f"{seed} download {number}")) for number in range(count)
    ]


def _case(shop: Shop, number: int, chance: random.Random) -> Case:
    [model] = chance.choices(MODELS, WEIGHTS)
    files = [file for card in shop.family(model) for file in card.files]
    hit = chance.sample(files, k=min(len(files), chance.choice((1, 1, 1, 2))))
    troubles = tuple(_trouble(file.path, file.size, chance) for file in hit)
    begun = None
    if chance.random() < 0.4:
        # Mostly of a file that something goes wrong with, too.
        file = chance.choice([*hit, *hit, *files])
        begun = (file.path, chance.randrange(file.size + 1), chance.random() < 0.7)
    return Case(number, model, troubles, begun)


def _trouble(file: str, size: int, chance: random.Random) -> Trouble:
    kind = chance.choice(KINDS)
    at = chance.choice((0, size - 1, chance.randrange(size)))
    if kind == "slow":
        at = chance.randrange(400_000, 4_000_000)
    elif kind == "choppy":
        at = chance.randrange(1, size)
    elif kind == "later":
        at = chance.choice((0, 1, 90, 86400))
    return Trouble(file, kind, at, chance.choice((1, 2, 3, None)))


def suffer(shop: Shop, case: Case, tally: Tally) -> None:
    """One download with its troubles, and another one without."""
    shutil.rmtree(shop.home, ignore_errors=True)
    if case.begun:
        _begin(shop, case, case.begun)
    shop.hub.heal()
    shop.hub.quiet()
    before = len(shop.hub.provoked)
    for one in case.troubles:
        shop.hub.fault(f"/{one.file}", one.kind, one.at, one.times)
    shop.give_up_after(1)
    status, last, seconds = _run(shop, case.model)
    shop.give_up_after(PATIENT_SECONDS)
    tally.runs += 1
    tally.begun += case.begun is not None
    tally.longest_seconds = max(tally.longest_seconds, seconds)
    shop.hub.heal()
    shop.hub.quiet()
    provoked = set(shop.hub.provoked[before:])
    tally.struck += bool(provoked)
    for kind in provoked:
        tally.by_kind[kind] = tally.by_kind.get(kind, 0) + 1
    if status is None:
        tally.hangs.append(f"{case.name}: still there after {HANG_SECONDS:.0f} s")
    elif status == 0:
        tally.overcome += 1
        if last.get("event") != "done" or not _complete(shop, case.model):
            tally.wrong_files.append(f"{case.name}: “done”, but the model is not whole")
    else:
        tally.refused += 1
        if why := unclear(shop, case, last):
            tally.unclear.append(f"{case.name}: {why}: {last.get('message')!r}")
    tally.wrong_files += [f"{case.name}: {file}" for file in shop.wrong_files()]
    tally.left_over += [f"{case.name}: {name}" for name in shop.strays()]
    _retry(shop, case, tally)


def _retry(shop: Shop, case: Case, tally: Tally) -> None:
    to_come, sent = shop.bytes_to_come(case.model), shop.hub.bytes_sent
    status, last, seconds = _run(shop, case.model)
    shop.hub.quiet()
    came = shop.hub.bytes_sent - sent
    tally.longest_seconds = max(tally.longest_seconds, seconds)
    if status != 0 or not _complete(shop, case.model):
        tally.not_retried.append(f"{case.name}: {status}, {last}")
    elif came != to_come:
        tally.transferred_again.append(f"{case.name}: {came} bytes came instead of {to_come}")
    tally.wrong_files += [f"{case.name}, again: {file}" for file in shop.wrong_files()]
    tally.left_over += [f"{case.name}, again: {n}" for n in shop.strays() + shop.unfinished()]


def _run(shop: Shop, model: str) -> tuple[int | None, dict[str, object], float]:
    """The status of a download process (None: it hangs), its last event, and its seconds."""
    begun = time.monotonic()
    process = shop.start(model)
    # Its end would be a wish to cancel.
    stdin, process.stdin = process.stdin, None
    try:
        said, _ = process.communicate(timeout=HANG_SECONDS)
        status: int | None = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        status = None
    if stdin is not None:
        stdin.close()
    return status, outcome(said), time.monotonic() - begun


def _begin(shop: Shop, case: Case, begun: tuple[str, int, bool]) -> None:
    """Put the beginning of a file there, as an earlier download would have left it."""
    path, length, right = begun
    for card in shop.family(case.model):
        for file in card.files:
            if file.path == path:
                part = Shelf(shop.store.root, card).part(file)
                part.parent.mkdir(parents=True, exist_ok=True)
                data = shop.truth(card, path)[:length]
                if not right and data:
                    at = random.Random(case.name).randrange(len(data))
                    data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                part.write_bytes(data)


def _complete(shop: Shop, model: str) -> bool:
    """Whether all files are right and the model counts as installed."""
    family = shop.family(model)
    for card in family:
        for file in card.files:
            place = Shelf(shop.store.root, card).place(file)
            if not place.exists() or place.read_bytes() != shop.truth(card, file.path):
                return False
    return shop.store.state_together(family).presence is Presence.INSTALLED


def unclear(shop: Shop, case: Case, last: dict[str, object]) -> str:
    """Why the message is not one clear sentence, else ""."""
    message = str(last.get("message", ""))
    titles = [card.title for card in shop.family(case.model)]
    if last.get("event") != "error" or not message:
        return "no message"
    if "\n" in message or len(message) > _LONGEST_SENTENCE:
        return "not one line"
    if not message.endswith(".") or not message[0].isupper():
        return "not a sentence"
    if re.search(r"Traceback|cannot be fetched \(|\bNone\b|0x[0-9a-f]{6}", message):
        return "words for programmers"
    if not any(title in message for title in titles):
        return "does not say what it is about"
    if not re.search(r"try again|check |update NSS|set HF_TOKEN|choose another", message):
        return "does not say what to do"
    return ""
