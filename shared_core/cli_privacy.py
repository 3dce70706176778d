"""``nss doctor --privacy``: what was ever contacted, and what is kept on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from .bridge import contacts
from .bridge.paths import Paths
from .bridge.wire import megabytes
from .catalog import privacy

_NEVER = (
    "Pictures, prompts, labels, names of files and settings are in none of these requests: they",
    "ask for files by repository, revision and name. Nothing is contacted without your consent.",
    "Reports of use by huggingface_hub and onnxruntime, checks for updates and Xet are off.",
)


def text(paths: Paths) -> str:
    """All of it for people, several lines."""
    return "\n".join([*_contacts(paths), *_kept(paths)])


def _contacts(paths: Paths) -> Iterator[str]:
    yield "What was contacted"
    found = contacts.summed(contacts.read(paths))
    if not found:
        yield "  nothing, ever"
    for host in dict.fromkeys(one.host for one in found):
        mine = [one for one in found if one.host == host]
        yield f"  {host}: {_count(sum(one.requests for one in mine), 'request')}, {_size(mine)}"
        for one in mine:
            yield f"    {one.what}"
            requests = _count(one.requests, "request")
            yield f"      {requests}, {_size([one])}, {_when(one)}{_how(one)}"
    yield f"  kept in {contacts.log_of(paths)}"
    yield from (f"  {line}" for line in _NEVER)


def _kept(paths: Paths) -> Iterator[str]:
    yield "What is kept on this machine"
    for one in privacy.kept(paths):
        what = one.what or "not known to this version of NSS"
        yield f"  {one.path}"
        yield f"    {what}: {_count(one.files, 'file')}, {_bytes(one.bytes)}"
    yield "  In your documents and exported files: the receipts of results."


def _size(summaries: list[contacts.Summary]) -> str:
    return f"{_bytes(sum(one.received for one in summaries))} received"


def _bytes(count: int) -> str:
    if count < 1_000_000:
        return f"{count:,} bytes"
    return megabytes(count)


def _when(one: contacts.Summary) -> str:
    first, last = (text.replace("T", " ").rstrip("Z") for text in (one.first, one.last))
    return f"{first} UTC" if first == last else f"{first} to {last} UTC"


def _how(one: contacts.Summary) -> str:
    told = f", through {', '.join(one.via)}" if one.via else ""
    return told + (", with your account's token" if one.account else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
