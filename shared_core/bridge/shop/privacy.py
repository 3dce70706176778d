"""What was ever contacted over a network, in words that the panels and the command line share."""

from __future__ import annotations

from collections.abc import Iterator

from .. import contacts
from ..paths import Paths
from ..wire import megabytes

_NEVER = (
    "Pictures, prompts, labels, names of files and settings are in none of these requests: they",
    "ask for files by repository, revision and name. Nothing is contacted without your consent.",
    "Reports of use by huggingface_hub and onnxruntime, checks for updates and Xet are off.",
)


def lines(paths: Paths) -> Iterator[str]:
    """Every host, what was asked of it, and that nothing of the user's was told."""
    yield "What was contacted"
    found = contacts.summed(contacts.read(paths))
    if not found:
        yield "  nothing, ever"
    for host in dict.fromkeys(one.host for one in found):
        mine = [one for one in found if one.host == host]
        yield f"  {host}: {count(sum(one.requests for one in mine), 'request')}, {_size(mine)}"
        for one in mine:
            yield f"    {one.what}"
            requests = count(one.requests, "request")
            yield f"      {requests}, {_size([one])}, {_when(one)}{_how(one)}"
    yield f"  kept in {contacts.log_of(paths)}"
    yield from (f"  {line}" for line in _NEVER)


def _size(summaries: list[contacts.Summary]) -> str:
    return f"{size(sum(one.received for one in summaries))} received"


def size(count: int) -> str:
    """A number of bytes."""
    if count < 1_000_000:
        return f"{count:,} bytes"
    return megabytes(count)


def _when(one: contacts.Summary) -> str:
    first, last = (text.replace("T", " ").rstrip("Z") for text in (one.first, one.last))
    return f"{first} UTC" if first == last else f"{first} to {last} UTC"


def _how(one: contacts.Summary) -> str:
    told = f", through {', '.join(one.via)}" if one.via else ""
    return told + (", with your account's token" if one.account else "")


def count(number: int, noun: str) -> str:
    """So many of something."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
