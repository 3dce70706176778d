"""The command ``nss``: the tools on image files, the machine, the models, the worker, receipts."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..bridge import (
    __version__,
    consent,
    toolbox,
    wire,
)
from ..bridge.errors import (
    BadInput,
    Cancelled,
    CouldNotBeDone,
    NssError,
    UsageError,
)
from ..bridge.host import (
    ANY,
    Order,
    apply_tool,
    ask_plan,
    run_here,
)
from ..bridge.language import _, ngettext
from ..bridge.paths import paths
from . import (
    consent as cli_consent,
)
from . import (
    install as cli_install,
)
from . import (
    models as cli_models,
)
from . import (
    settings as cli_settings,
)
from .terminal import (
    Screen,
    print_json,
    worker_client,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code.

    0 done, 2 usage, 3 bad input, 4 real path demanded and not possible, 5 could not be done,
    130 cancelled.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file name that is no text, or a terminal without our letters, must not end a run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        code = command(options)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except NssError as error:
        print(f"nss: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(_("nss: Cancelled."), file=sys.stderr)
        return Cancelled.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        print(
            _(
                "nss: This is a fault in NSS ({kind}: {error}). Please report it with the "
                "command you gave.",
                kind=type(error).__name__,
                error=error,
            ),
            file=sys.stderr,
        )
        return CouldNotBeDone.exit_code


def _tools(options: argparse.Namespace) -> int:
    if options.json:
        print_json(
            [
                {
                    "id": tool.id,
                    "title": tool.title,
                    "help": tool.help,
                    "returns": tool.returns.value,
                    "parameters": [asdict(parameter) for parameter in tool.parameters],
                }
                for tool in toolbox.TOOLS
            ]
        )
        return 0
    for tool in toolbox.TOOLS:
        print(f"{tool.id}: {tool.title}. {tool.help}")
        for parameter in tool.parameters:
            print(f"    {parameter.id}={parameter.default}  {parameter.span()}  {parameter.help}")
    return 0


def _order(options: argparse.Namespace) -> Order:
    given: dict[str, object] = {}
    for pair in options.p:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(_("-p takes NAME=VALUE, not {pair}.", pair=repr(pair)))
        given[name] = value
    if options.seed is not None:
        given["seed"] = options.seed
    chosen = cli_settings.chosen(options)
    order = Order(
        tool=options.tool,
        parameters=given,
        path=options.path,
        consent=ANY if getattr(options, "yes", False) else "",
        limits=chosen.limits,
        commercial_only=chosen.commercial_only,
    )
    toolbox.tool(order.tool).parse(order.parameters)
    return order


def _size(options: argparse.Namespace) -> tuple[int, int]:
    """Width and height of the picture, or of the empty canvas."""
    from ..imagefile import probe

    if options.image is None:
        tool = toolbox.tool(options.tool)
        if tool.returns is not toolbox.Returns.LAYER:
            raise UsageError(_("{tool} needs a picture: name a file.", tool=tool.title))
        width, height = options.size
        return int(width), int(height)
    header = probe(options.image)
    return header.width, header.height


def _canvas(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT as two numbers."""
    width, times, height = text.lower().replace("×", "x").partition("x")
    if not (times and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(
            _("takes WIDTHxHEIGHT, such as 768x512, not {text}", text=repr(text))
        )
    if max(int(width), int(height)) > wire.MAX_SIDE:
        raise argparse.ArgumentTypeError(
            _("takes at most {most} pixels a side", most=wire.MAX_SIDE)
        )
    return int(width), int(height)


def _plan(options: argparse.Namespace) -> int:
    order = _order(options)
    client = worker_client()
    plan = client.ask(ask_plan(order, *_size(options)), wire.PlanReply).plan
    client.close()
    if options.json:
        print_json({**asdict(plan), "download": plan.download, "host": consent.hub_host()})
    else:
        print(plan.sentence())
        if plan.offer:
            print(f"{consent.question(plan.offer)}:\n{cli_consent.told(order.tool, plan.offer)}")
        if plan.insist:
            print(_("With --path real: {insist}.", insist=plan.insist))
    return 0


def _run(options: argparse.Namespace) -> int:
    from ..bridge import receipt as receipts
    from ..bridge.words import words
    from .host import FileHost

    order = _order(options)
    if options.strokes and order.parameters.get("strokes") != "above":
        raise UsageError(_("--strokes has no effect without -p strokes=above (Colorize): add it."))
    host = FileHost(
        paths(), options.image, options.output, options.mask, options.strokes, options.size
    )
    if options.receipt:
        _check_receipt_target(options.receipt, (options.image, options.output, options.mask))
    client = worker_client()
    if sys.stdin.isatty() and sys.stderr.isatty() and not order.consent:
        order = cli_consent.asked(order, client, _size(options))
    with Screen() as screen:
        [made] = run_here(apply_tool(host, order), client, screen)
    client.close()
    if options.receipt:
        try:
            options.receipt.write_text(receipts.to_json(made) + "\n", "utf-8")
        except OSError as error:
            failed = _(
                "The result is done, but its receipt {receipt} could not be written ({reason}).",
                receipt=options.receipt,
                reason=error.strerror or error,
            )
            too = _("It is in the picture too: nss receipt reads it.")
            raise CouldNotBeDone(f"{failed} {too}" if options.output else failed) from None
    if found := words(made):
        print(found)
    print(
        f"{options.output}: {receipts.sentence(made)}"
        if options.output
        else receipts.sentence(made)
    )
    return 0


def _check_receipt_target(target: Path, pictures: Sequence[Path | None]) -> None:
    """Raise, before any work, when the receipt cannot be written or would replace a picture."""
    for picture in pictures:
        if picture is not None and os.path.realpath(target) == os.path.realpath(picture):
            raise UsageError(_("{target}: the receipt must not replace a picture.", target=target))
    folder = os.path.dirname(os.path.realpath(target))
    if os.path.isdir(target) or not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise CouldNotBeDone(
            _(
                "The receipt {target} cannot be written there. Choose another name or folder.",
                target=target,
            )
        )


def _doctor(options: argparse.Namespace) -> int:
    if options.privacy:
        return _privacy(options)
    if options.diagnostics:
        return _diagnostics()
    client = worker_client()
    with Screen() as screen:
        question = wire.AskDoctor(wait=not options.no_probe, again=options.again)
        reply = client.ask(question, wire.DoctorReply, screen)
    client.close()
    profile, advice = reply.profile, reply.advice or {}
    if options.json:
        print_json({**profile, "tier": advice} if profile else {})
    elif profile is None:
        print(_("This machine has not been measured yet; nss doctor without --no-probe does it."))
    else:
        print(reply.report)
    return 0


def _privacy(options: argparse.Namespace) -> int:
    from ..catalog import privacy
    from . import privacy as cli_privacy

    if options.json:
        print_json(privacy.data(paths()))
    else:
        print(cli_privacy.text(paths()))
    return 0


def _diagnostics() -> int:
    from ..bridge import diagnostics

    client = worker_client()
    print(diagnostics.collect(client, "the command line"))
    client.close()
    return 0


def _worker(options: argparse.Namespace) -> int:
    client = worker_client()
    running = client.connect(start=False)
    facts: dict[str, Any] = {"running": running, "pid": None}
    if running and options.action == "status":
        facts |= asdict(client.ask(wire.AskStatus(), wire.StatusReply))
    elif running:
        client.ask(wire.Stop(), wire.Done)
        facts["running"] = False
    client.close()
    if options.json:
        print_json(facts)
    elif options.action == "stop":
        print(_("The worker ends.") if running else _("No worker is running."))
    elif running:
        busy = facts["job_running"] or "nothing"
        print(
            _(
                "The worker runs as process {pid} and is busy with {busy}.",
                pid=facts["pid"],
                busy=busy,
            )
        )
    else:
        print(_("No worker is running."))
    return 0


def _receipt(options: argparse.Namespace) -> int:
    from ..bridge import labels

    if options.embed is not None:
        if options.output is None:
            raise UsageError(_("--embed DOCUMENT needs -o FILE, the file exported from it."))
        if not options.output.exists():
            raise BadInput(
                _(
                    "There is no file {output}. Export the document to it first.",
                    output=options.output,
                )
            )
        found = labels.read(options.embed)
        if not found:
            raise BadInput(
                _("{embed} carries no receipt, so there is nothing to embed.", embed=options.embed)
            )
        labels.embed(options.output, found)
        print(
            ngettext(
                "{output}: {count} receipt embedded.",
                "{output}: {count} receipts embedded.",
                len(found),
                output=options.output,
            )
        )
        return 0
    if options.file is None:
        raise UsageError(_("Name a file, or use --embed DOCUMENT -o FILE."))
    found = labels.read(options.file)
    if not found:
        raise BadInput(_("{file} carries no receipt.", file=options.file))
    print_json(found[0] if len(found) == 1 else found)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nss", description=_("Real neural models and honest classical fallbacks for pictures.")
    )
    parser.add_argument("--version", action="version", version=f"nss {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action: Callable[[argparse.Namespace], int], text: str) -> Any:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=action)
        return sub

    def with_json(sub: Any) -> Any:
        sub.add_argument("--json", action="store_true", help=_("print JSON"))
        return sub

    with_json(command("tools", _tools, _("List the tools and their parameters.")))

    for name, action, text in (
        ("plan", _plan, _("Say what a tool would do to a picture, and why.")),
        ("run", _run, _("Run a tool on a picture.")),
    ):
        sub = command(name, action, text)
        sub.add_argument("tool", metavar="TOOL")
        sub.add_argument("image", metavar="IMAGE", type=Path, nargs="?")
        sub.add_argument(
            "--size",
            metavar="WxH",
            type=_canvas,
            default=(512, 512),
            help=_("of the canvas where there is no IMAGE (text-to-image)"),
        )
        sub.add_argument("--path", choices=wire.PATHS, default="auto", help=_("which path to take"))
        sub.add_argument("-p", metavar="NAME=VALUE", action="append", default=[], help="parameter")
        cli_settings.add_limits(sub)
        sub.add_argument("--seed", type=int, help=_("seed of random choices"))
        if name == "plan":
            with_json(sub)
            continue
        sub.add_argument("-o", dest="output", metavar="OUT", type=Path, help=_("PNG or TIFF"))
        sub.add_argument("--mask", metavar="MASK", type=Path, help=_("grey picture: the selection"))
        sub.add_argument("--receipt", metavar="FILE.json", type=Path, help=_("write the receipt"))
        sub.add_argument(
            "--strokes", metavar="FILE", type=Path, help=_("picture with colour strokes")
        )
        sub.add_argument(
            "--yes",
            action="store_true",
            help=_(
                "consent to a model's download; to one that restricts commercial use only where "
                "it is chosen by -p model="
            ),
        )

    sub = with_json(command("doctor", _doctor, _("Say what this machine can run.")))
    sub.add_argument("--no-probe", action="store_true", help=_("do not wait for the measurement"))
    sub.add_argument("--again", action="store_true", help=_("measure anew"))
    sub.add_argument(
        "--privacy",
        action="store_true",
        help=_("say instead what was ever contacted, and what is kept on this machine"),
    )
    sub.add_argument(
        "--diagnostics",
        action="store_true",
        help=_("say instead what a report of a fault needs, without names, paths or pictures"),
    )

    sub = command("settings", cli_settings.show_or_change, _("Show or change your settings."))
    cli_settings.register(sub)

    models = _("List, get, verify or remove models.")
    cli_models.register(commands.add_parser("models", help=models, description=models))

    sub = with_json(command("worker", _worker, _("Ask or end the worker process.")))
    sub.add_argument("action", choices=("status", "stop"))

    cli_install.register(command)

    sub = command("receipt", _receipt, _("Read the receipts in a file, or embed a document's."))
    sub.add_argument("file", metavar="FILE", type=Path, nargs="?")
    sub.add_argument("--embed", metavar="DOCUMENT", type=Path, help=_(".kra or .xcf to read from"))
    sub.add_argument("-o", dest="output", metavar="FILE", type=Path, help=_("exported file"))
    return parser
