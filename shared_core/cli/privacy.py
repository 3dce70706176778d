"""``nss doctor --privacy``: what was ever contacted, and what is kept on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from ..bridge.language import _, ngettext
from ..bridge.paths import Paths
from ..bridge.shop import privacy as told
from ..catalog import privacy


def text(paths: Paths) -> str:
    """All of it for people, several lines."""
    return "\n".join([*told.lines(paths), *_kept(paths)])


def _kept(paths: Paths) -> Iterator[str]:
    yield _("What is kept on this machine")
    for one in privacy.kept(paths):
        what = one.what or _("not known to this version of NSS")
        yield f"  {one.path}"
        files = ngettext("{count} file", "{count} files", one.files)
        yield f"    {what}: {files}, {told.size(one.bytes)}"
    yield "  " + _("In your documents and exported files: the receipts of results.")
