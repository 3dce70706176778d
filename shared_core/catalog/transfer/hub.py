"""The Hub, reached through ``huggingface_hub``'s own session, with every request noted beforehand.

So its end points, tokens, proxies, offline mode and errors count; its telemetry is off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from ...bridge import contacts
from ...bridge.errors import CouldNotBeDone
from ...bridge.language import _
from ...bridge.paths import paths

_T = TypeVar("_T")

# What the requests of this thread are for; without it none can be sent.
_errand: ContextVar[contacts.Errand] = ContextVar("errand")


def library() -> Any:
    """``huggingface_hub``, set to send nothing by itself and to note what it sends."""
    # Read once, when huggingface_hub is imported.
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_UPDATE_CHECK"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    import huggingface_hub.constants
    import huggingface_hub.utils

    client = huggingface_hub.utils.get_session()
    hooks = client.event_hooks
    if _note not in hooks["request"]:
        client.event_hooks = {**hooks, "request": [*hooks["request"], _note]}
    return huggingface_hub


def _note(request: Any) -> None:
    """Every request, each of a redirect too, is noted before it is sent."""
    account = "Authorization" in request.headers
    _errand.get().sending(request.url.host, scheme=request.url.scheme, account=account)


@contextmanager
def noted(errand: contacts.Errand) -> Iterator[None]:
    """What is sent meanwhile is sent on this errand; without one nothing can be."""
    told = _errand.set(errand)
    try:
        yield
    finally:
        _errand.reset(told)


def received(host: str, count: int) -> None:
    """Note what came from ``host`` on this errand."""
    with suppress(CouldNotBeDone):
        _errand.get().received(host, count)


def ask_hub(about: str, ask: Callable[[Any], _T]) -> _T:
    """The answer of ``ask``, which is given ``huggingface_hub``; once, without patience.

    Raises ``CouldNotBeDone`` with one sentence that names ``about``.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    hub = library()
    try:
        with noted(contacts.Errand(paths(), about)):
            return ask(hub)
    except OfflineModeIsEnabled as error:
        raise CouldNotBeDone(
            _(
                "The hub cannot be asked about {about}, since HF_HUB_OFFLINE is set. Unset it.",
                about=about,
            )
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        said = (
            _(
                "The hub cannot be asked about {about} (status {status}). Check the name and "
                "HF_TOKEN, and try again.",
                about=about,
                status=status,
            )
            if status in (401, 403)
            else _(
                "The hub cannot be asked about {about} (status {status}). Check the name, and "
                "try again.",
                about=about,
                status=status,
            )
        )
    except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, ValueError) as error:
        said = _(
            "The hub cannot be asked about {about} ({error}). Check the network and "
            "HF_ENDPOINT, and try again.",
            about=about,
            error=described(error),
        )
    raise CouldNotBeDone(said)


def endpoint() -> str:
    """The hub's address."""
    return str(library().constants.ENDPOINT)


def described(error: BaseException) -> str:
    """What an error says, or else what it is called."""
    return str(error) or type(error).__name__
