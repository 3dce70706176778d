"""The first opening of any model: looked at from outside, then tried in a process that may die.

Only what passes both is opened by a process that works on pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

from ...bridge.errors import CouldNotBeDone
from ...bridge.language import _
from ...engine.memory import available_bytes
from ..card import Card, to_json
from ..manifest import Trial
from . import confined
from .inspection import ModelRefused, inspect

# A session of the largest models takes half a minute to make and a run as long, on a machine of two
# cores that has something else to do too; machines of a tenth of that are still waited for.
SECONDS_PER_SESSION = 600.0
# Where a card does not know: measured at up to 3.4 times the files, and at 2000 bytes per pixel.
_SESSION_PER_FILE_BYTE = 3.5
_BYTES_PER_PIXEL = 2000
# On top of twice what is expected: the interpreter with onnxruntime, and its threads' stacks.
_SPARE_BYTES = 2 << 30
# The rest is for whoever asks for memory meanwhile, the editor first.
_SHARE_OF_AVAILABLE = 0.9


def tried(card: Card, folder: Path, cancelled: Callable[[], bool] = lambda: False) -> Trial:
    """What came of opening the model in ``folder`` for the first time.

    Its bytes must have been verified; that they are still the same afterwards is for the caller
    to see. Raises ``Cancelled``, and ``CouldNotBeDone`` where this machine has too little memory
    to spare at the moment, which says nothing of the model.
    """
    if reason := _refused(card, folder):
        return _failed(card, reason)
    wanted = memory_bytes(card)
    spare = round(available_bytes() * _SHARE_OF_AVAILABLE)
    try:
        reply = confined.call(
            "shared_core.catalog.trust.canary",
            {"card": to_json(card), "folder": str(folder)},
            memory_bytes=min(wanted, spare),
            seconds=SECONDS_PER_SESSION * max(1, len(card.sessions())),
            cancelled=cancelled,
            what=card.title,
        )
    except confined.Ended as ended:
        if ended.memory and spare < wanted:
            raise CouldNotBeDone(
                _(
                    "{model} cannot be tried at the moment ({reason}, and {spare:,} MiB are "
                    "free). Close other programs and try again.",
                    model=card.title,
                    reason=ended.reason,
                    spare=spare >> 20,
                )
            ) from None
        return _failed(
            card,
            _(
                "{model} is not used: its trial broke off ({reason}).",
                model=card.title,
                reason=ended.reason,
            ),
        )
    return Trial(**reply)


def memory_bytes(card: Card) -> int:
    """The memory that a trial of the model may take: twice what its card makes expect, and more."""
    session = card.session_bytes or round(_SESSION_PER_FILE_BYTE * card.download_bytes)
    pixels = math.prod(card.run_size or (0, 0))
    run = card.peak_bytes or (card.peak_bytes_per_pixel or _BYTES_PER_PIXEL) * pixels
    return 2 * (session + run) + _SPARE_BYTES


def _refused(card: Card, folder: Path) -> str:
    """Why a session's file may not be opened, as a sentence, else ""."""
    files = {PurePosixPath(file.path) for file in card.files}
    for role, file in card.sessions():
        reason = ""
        try:
            for location in inspect(folder / file.path, folder).external:
                # Its bytes were verified only if the card knows it.
                if PurePosixPath(file.path).parent / location not in files:
                    reason = _(
                        "it keeps weights in {location}, which is none of its files",
                        location=repr(location),
                    )
        except ModelRefused as refused:
            reason = refused.reason
        if reason:
            model = f"{card.title} ({file.path})" if role else card.title
            return _("{model} is not used: {reason}.", model=model, reason=reason)
    return ""


def _failed(card: Card, reason: str) -> Trial:
    from .canary import onnxruntime_version

    return Trial(
        ok=False,
        reason=reason,
        onnxruntime=onnxruntime_version(),
        seconds_per_tile=0.0,
        tile=0,
        when=datetime.now(timezone.utc).isoformat(),
    )
