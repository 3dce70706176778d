"""What the user is asked before a model is downloaded, in the words that all three hosts show."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from . import toolbox
from .language import _, looked_up
from .wire import Instead, Offer, megabytes

HUB = "huggingface.co"
LEADS = {"no": _("Not for commercial use."), "unclear": _("Commercial use is in doubt.")}


@dataclass(frozen=True)
class Line:
    """One thing that is told; ``link`` is where more can be read of it.

    A ``warning`` must not be overlooked.
    """

    text: str
    link: str = ""
    warning: bool = False


def hub_host(environ: Mapping[str, str] | None = None) -> str:
    """The host that a download with these settings of the hub would contact."""
    env = os.environ if environ is None else environ
    address = env.get("HF_ENDPOINT", "")
    return urlsplit(address).hostname or address or HUB


def question(offer: Offer) -> str:
    """What the user agrees to, in a few words."""
    return _("Download {model} ({size})", model=offer.title, size=megabytes(offer.bytes))


def lines(tool_id: str, offer: Offer, host: str) -> tuple[Line, ...]:
    """All that is to be known before agreeing to a download from ``host``.

    ``tool_id`` is the tool that the model would serve, "" for a helper that serves none alone.
    """
    gain = toolbox.tool(tool_id).gain if tool_id else ""
    told = [Line(_("With it, {gain}.", gain=gain))] if gain else []
    if offer.commercial != "yes":
        told.append(Line(f"{LEADS[offer.commercial]} {looked_up(offer.terms)}", warning=True))
    told.append(Line(_("Licence: {licence}.", licence=offer.licence), offer.licence_link))
    text = _("From {host}, once; nothing is uploaded.", host=host)
    if offer.hub_declared:
        text += " " + _(
            "Its SHA-256 is not known beforehand (hub-declared): the one that the hub declares is "
            "recorded, and holds from then on."
        )
    return (*told, Line(text))


def switch(instead: Instead) -> str:
    """What the user may take instead, in a few words."""
    size = megabytes(instead.bytes) if instead.bytes else _("already here")
    return _("Use {model} instead ({size})", model=instead.title, size=size)


def switch_help(instead: Instead) -> str:
    """Why one would."""
    return _("{model} allows commercial use.", model=instead.title)


def switched(parameters: Mapping[str, object], instead: Instead) -> dict[str, object]:
    """The tool's parameters with that model chosen."""
    return {**parameters, toolbox.MODEL: instead.choice}
