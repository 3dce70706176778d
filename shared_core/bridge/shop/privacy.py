"""What was ever contacted over a network, in words that the panels and the command line share."""

from __future__ import annotations

from collections.abc import Iterator

from .. import contacts
from ..language import _, looked_up, ngettext
from ..paths import Paths
from ..wire import megabytes

_NEVER = (
    _("Pictures, prompts, labels, names of files and settings are in none of these requests:"),
    _("they ask for files by repository, revision and name."),
    _("Nothing is contacted without your consent."),
    _("Reports of use by huggingface_hub and onnxruntime, checks for updates and Xet are off."),
)


def lines(paths: Paths) -> Iterator[str]:
    """Every host, what was asked of it, and that nothing of the user's was told."""
    yield _("What was contacted")
    found = contacts.summed(contacts.read(paths))
    if not found:
        yield "  " + _("nothing, ever")
    for host in dict.fromkeys(one.host for one in found):
        mine = [one for one in found if one.host == host]
        yield f"  {host}: {_requests(sum(one.requests for one in mine))}, {_size(mine)}"
        for one in mine:
            yield f"    {looked_up(one.what)}"
            requests = _requests(one.requests)
            yield f"      {requests}, {_size([one])}, {_when(one)}{_how(one)}"
    yield "  " + _("kept in {file}", file=contacts.log_of(paths))
    yield from (f"  {line}" for line in _NEVER)


def _size(summaries: list[contacts.Summary]) -> str:
    return _("{size} received", size=size(sum(one.received for one in summaries)))


def size(count: int) -> str:
    """A number of bytes."""
    if count < 1_000_000:
        return _("{count:,} bytes", count=count)
    return megabytes(count)


def _when(one: contacts.Summary) -> str:
    first, last = (text.replace("T", " ").rstrip("Z") for text in (one.first, one.last))
    return (
        _("{first} UTC", first=first)
        if first == last
        else _("{first} to {last} UTC", first=first, last=last)
    )


def _how(one: contacts.Summary) -> str:
    told = ", " + _("through {names}", names=", ".join(one.via)) if one.via else ""
    return told + (", " + _("with your account's token") if one.account else "")


def _requests(count: int) -> str:
    return ngettext("{count} request", "{count} requests", count)
