"""``nss models add``: a model of the user's own, understood, shown, corrected, tried and stored."""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..bridge import launch, wire
from ..bridge.arena import Arena
from ..bridge.client import Client
from ..bridge.errors import BadInput, Cancelled, CouldNotBeDone, UsageError
from ..bridge.language import _
from ..bridge.paths import paths
from .terminal import Screen, print_json, worker_client

_TILE = 512
_MARKS = {
    "declared": "sure",
    "measured": "sure",
    "told": "yours",
    "likely": "likely",
    "either": "either",
    "assumed": "ASSUMED",
}


def register(action: Any) -> None:
    """Add the commands to the parser of ``nss models``; ``action`` makes one."""
    add = action("add", _add, _("Bring a model of your own: an .onnx file, or one on the Hub."))
    add.add_argument("source", metavar="FILE or OWNER/NAME")
    add.add_argument("--tool", required=True, help=_("the tool that it is for"))
    add.add_argument(
        "--file",
        dest="files",
        metavar="PATH",
        action="append",
        default=[],
        help=_("the .onnx file in a repository; again for data that does not bear its name"),
    )
    add.add_argument("--revision", metavar="HEX", help=_("the commit of the repository, 40 digits"))
    add.add_argument(
        "-p",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help=_("correct what was understood, such as -p order=bgr"),
    )
    add.add_argument("--title", default="", help=_("what the model is called; default: the file"))
    add.add_argument("--licence", default="", help=_("under which licence it is"))
    add.add_argument(
        "--commercial",
        choices=("yes", "no", "unclear"),
        default="unclear",
        help=_("whether its licence allows commercial use"),
    )
    add.add_argument("--picture", metavar="FILE", type=Path, help=_("try it on the middle of this"))
    add.add_argument("--preview", metavar="OUT.png", type=Path, help=_("write before and after"))
    add.add_argument(
        "--dry-run", action="store_true", help=_("look at it and try it, store nothing")
    )
    add.add_argument("--yes", action="store_true", help=_("consent to a download, ask nothing"))
    for name, on, text in (
        ("on", True, _("Use a model of your own before the others.")),
        ("off", False, _("Use a model of your own only where it is chosen by its name.")),
    ):
        switch = action(name, _switch, text)
        switch.add_argument("id", metavar="MODEL")
        switch.set_defaults(on=on)


def _switch(options: argparse.Namespace) -> int:
    client = worker_client()
    text = client.ask(wire.SwitchModel(options.id, options.on), wire.Done).text
    client.close()
    if options.json:
        print_json({"model": options.id, "on": options.on})
    else:
        print(text)
    return 0


def _add(options: argparse.Namespace) -> int:
    told = _told(options.p)
    if options.preview and options.preview.suffix.lower() != ".png":
        raise UsageError(_("--preview writes a PNG: give it a name that ends in .png."))
    client = worker_client()
    with Arena(paths()) as arena:
        tile = _tile(arena, options.picture) if options.picture else None
        fetched = _fetched(options, client)
        examine = wire.Examine(
            tool=options.tool,
            file=fetched.file,
            model=fetched.model,
            repo=options.source if fetched.model else "",
            revision=options.revision or "" if fetched.model else "",
            title=options.title,
            licence=options.licence,
            commercial=options.commercial,
            told=told,
            tile=tile,
        )
        with Screen() as screen:
            examined = client.ask(examine, wire.Examined, screen)
    if options.preview and examined.png:
        _write(options.preview, base64.b64decode(examined.png))
    if not options.json:
        _show(examined, options.preview)
    added: wire.Added | None = None
    if not options.dry_run and _agreed(options):
        with Screen() as screen:
            request = wire.AddModel(examined.card, examined.file)
            added = client.ask(request, wire.Added, screen)
    client.close()
    if options.json:
        facts = asdict(examined)
        for name in ("png", "card"):
            del facts[name]
        print_json({**facts, "model": added.model if added else None})
    elif added:
        print(added.text)
        print(_("Switch it off with: nss models off {model}", model=added.model))
    elif examine.model:
        print(
            _("Not added; what came is kept until: nss models remove {model}", model=examine.model)
        )
    else:
        print(_("Nothing was stored."))
    return 0


def _told(pairs: Sequence[str]) -> dict[str, str]:
    told = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(_("-p takes NAME=VALUE, not {pair}.", pair=repr(pair)))
        told[name.strip()] = value.strip()
    return told


def _fetched(options: argparse.Namespace, client: Client) -> wire.Fetched:
    """The file to look at: the user's own, or one that is fetched after consent."""
    path = Path(options.source).expanduser()
    if not options.files and not options.revision:
        if not path.exists():
            raise BadInput(
                _(
                    "There is no file {path}. A repository on the Hub takes --file and --revision.",
                    path=path,
                )
            )
        return wire.Fetched(str(path.absolute()), "")
    if not options.revision:
        raise UsageError(_("A repository takes --revision, the 40 digits of a commit."))
    environment = launch.hub_environment()
    offer = client.ask(
        wire.AskHub(options.source, options.revision, tuple(options.files), environment),
        wire.HubReply,
    )
    if not options.yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(_("{consent}: add --yes to consent.", consent=offer.consent()))
        print(f"{offer.consent()}? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Cancelled(_("Nothing was downloaded."))
    options.licence = options.licence or offer.licence
    files = tuple(options.files)
    request = wire.FetchFiles(options.source, options.revision, files, environment)
    with Screen() as screen:
        return client.ask(request, wire.Fetched, screen)


def _tile(arena: Arena, path: Path) -> wire.PixelFile:
    """The middle of a picture as a pixel file."""
    from .. import imagefile

    image = imagefile.read(path)
    height, width = image.pixels.shape[:2]
    top, left = max(0, (height - _TILE) // 2), max(0, (width - _TILE) // 2)
    part = image.pixels[top : top + _TILE, left : left + _TILE]
    file = arena.create(part.shape[1], part.shape[0], image.depth, "rgba", image.curve, image.grey)
    arena.write(file, part.tobytes())
    return file


def _show(examined: wire.Examined, preview: Path | None) -> None:
    print(_("{title}, as it was understood:", title=examined.title))
    width = max(len(finding.value) for finding in examined.findings)
    for finding in examined.findings:
        name = f"-p {finding.name}=" if finding.open else f"   {finding.name}:"
        mark = _MARKS[finding.sure]
        print(f"  {name:18} {finding.value:{width}}  {mark:8} {finding.why}")
        if finding.sure in ("assumed", "either", "likely") and len(finding.choices) > 1:
            print(f"  {'':18} {'':{width}}  {'':8} or: {', '.join(finding.choices[1:])}")
    print(f"{examined.summary}.")
    for doubt in examined.doubts:
        print(_("Caution: {doubt}", doubt=doubt))
    if preview and examined.png:
        print(_("Before and after: {preview}", preview=preview))


def _agreed(options: argparse.Namespace) -> bool:
    """On a terminal: whether the user wants it as it was understood."""
    if options.yes or options.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(_("Add it so?") + " [Y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CouldNotBeDone(
            _("{path} cannot be written ({reason}).", path=path, reason=error.strerror or error)
        ) from None
