"""The set-up itself: makes an environment, proves it, and only then has the worker use it.

Runs in a process of its own beside an editor (`child.py`), or in the command line's. Whatever
stops it, the worker goes on with the environment that it had.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__, client, contacts, wire
from ..errors import Cancelled, CouldNotBeDone, NssError
from ..language import _, joined, unpacked
from ..launch import scrubbed
from ..locks import locked_now
from ..paths import Paths, private_folder
from . import environment, fetch, index, locks, processes
from .pythons import Python

Tell = Callable[[float, str], None]
Stopped = Callable[[], bool]
# An environment is up to three times as large as its wheels, which lie beside it for a while.
ROOM = 4
_PROVE = "shared_core.device.prove"
_SERVES = "import numpy, cv2, shared_core.worker.server, shared_core.worker.runner"
_PACKAGE = re.compile(r"^\s*(?:Collecting|Downloading|Processing|Using cached)\s+(\S+)(.*)")


class _Refused(Exception):
    """A flavour's provider does not work here; why."""


@dataclass(frozen=True)
class Parts:
    """What an environment is made of: the worker's wheel, and the folder of the locks."""

    wheel: Path
    locks: Path = locks.LOCKS

    @property
    def digest(self) -> str:
        """A name for what the wheel contains, however it was packed."""
        with zipfile.ZipFile(self.wheel) as opened:
            (record,) = (n for n in opened.namelist() if n.endswith(".dist-info/RECORD"))
            lines = sorted(opened.read(record).split())
        return hashlib.sha256(b"\n".join(lines)).hexdigest()


def log_of(paths: Paths) -> Path:
    """What the installers said, for when something fails."""
    return paths.cache / "setup.log"


def install(
    paths: Paths,
    parts: Parts,
    python: Python,
    flavour: str,
    wheels: Path | None,
    tell: Tell,
    stopped: Stopped,
) -> str:
    """Set the worker up, or bring it up to date; what was done, as a sentence.

    ``wheels`` is a folder to take everything from, without a network. Where the provider of
    another flavour than the processor's does not work, the worker keeps what it had, or gets the
    processor's. Raises ``CouldNotBeDone`` or ``Cancelled``; then nothing has changed.
    """
    with _alone(paths):
        if _only_the_worker_changed(paths, parts, flavour):
            return _update(paths, parts, tell, stopped)
        try:
            return _install(paths, parts, python, flavour, wheels, tell, stopped)
        except _Refused as refused:
            if not environment.state(paths).usable:
                _install(paths, parts, python, locks.CPU, wheels, tell, stopped)
            title = locks.flavour(flavour).title
            return _(
                "{title} is not used: {refused} The worker runs on the processor.",
                title=title,
                refused=refused,
            )


def remove(paths: Paths, tell: Tell, stopped: Stopped) -> str:
    """Take the environments away; settings and models stay."""
    with _alone(paths):
        tell(0.1, _("Ending the worker"))
        if not retire(paths, tell, stopped):
            raise CouldNotBeDone(_("A tool is running. Wait until it is done, and try again."))
        if environment.state(paths).condition is not environment.Condition.FOREIGN:
            paths.worker_python.unlink(missing_ok=True)
        tell(0.4, _("Deleting its environment"))
        left = environment.sweep(paths)
        for folder in (environment.home(paths), *bootstrapped(paths)):
            shutil.rmtree(folder, ignore_errors=True)
        if left:
            raise CouldNotBeDone(
                _("{left} could not be deleted. Delete it yourself.", left=left[0])
            )
    return _("The worker is removed. Your settings and the models that you downloaded are kept.")


def bootstrapped(paths: Paths) -> tuple[Path, Path]:
    """Where a Python goes that was fetched because this machine had none, and uv meanwhile."""
    return paths.data / "python", paths.data / "uv"


@contextlib.contextmanager
def _alone(paths: Paths) -> Any:
    private_folder(paths.data)
    private_folder(paths.cache)
    with locked_now(paths.data / "setup.lock") as mine:
        if not mine:
            raise CouldNotBeDone(
                _("The worker is being set up by another program already. Wait until it is done.")
            )
        log_of(paths).write_bytes(b"")
        yield


def _install(
    paths: Paths,
    parts: Parts,
    python: Python,
    flavour: str,
    wheels: Path | None,
    tell: Tell,
    stopped: Stopped,
) -> str:
    title = locks.flavour(flavour).title
    tell(0.0, _("Making room"))
    environment.sweep(paths)
    folder = environment.new_folder(paths)
    whole = False
    try:
        _check_room(folder, parts, python, flavour)
        _fill(folder, paths, parts, python, flavour, wheels, tell, stopped)
        tell(0.9, _("Measuring this machine with the {title} packages", title=title))
        proof = _prove(folder, paths, flavour, stopped)
        note = ""
        if not proof["works"]:
            if flavour != locks.CPU:
                raise _Refused(proof["reason"])
            note = _(
                "onnxruntime does not work here, so no model will run: {reason}",
                reason=proof["reason"],
            )
        stamp = environment.Stamp(
            version=__version__,
            protocol=wire.PROTOCOL,
            wheel=parts.digest,
            flavour=flavour,
            locks=locks.digest(flavour, parts.locks),
            python=f"{python.version[0]}.{python.version[1]}",
            note=note,
        )
        environment.write_stamp(folder, stamp)
        environment.name_worker(paths, environment.program(folder))
        whole = True
    finally:
        if not whole:
            environment.delete(folder)
    tell(0.97, _("Starting over with the new worker"))
    retire(paths, tell, stopped)
    environment.sweep(paths)
    with contextlib.suppress(OSError):
        os.replace(folder / "profile.json", paths.profile)
    if flavour == locks.CPU:
        done = _("The worker is set up.")
    elif proof["works"] and proof["device"]:
        done = _(
            "The worker is set up with {flavour} on {device}.",
            flavour=title,
            device=proof["device"],
        )
    else:
        done = _("The worker is set up with {flavour}.", flavour=title)
    return joined(" ", [done, note] if note else [done])


def _check_room(folder: Path, parts: Parts, python: Python, flavour: str) -> None:
    count = locks.download_bytes(flavour, python.platform, python.version, parts.locks)
    if count is None:
        raise CouldNotBeDone(
            _(
                "There are no {flavour} packages for {python} on {platform}. Install another "
                "Python between 3.11 and 3.14, and look again.",
                flavour=locks.flavour(flavour).title,
                python=python.title,
                platform=python.platform,
            )
        )
    free = shutil.disk_usage(folder).free
    if free < ROOM * count:
        raise CouldNotBeDone(
            _(
                "{parent} has {size} free and the set-up needs about {total}. Free some "
                "space, or set NSS_HOME to another disk.",
                parent=folder.parent,
                size=wire.megabytes(free),
                total=wire.megabytes(ROOM * count),
            )
        )


def _fill(
    folder: Path,
    paths: Paths,
    parts: Parts,
    python: Python,
    flavour: str,
    wheels: Path | None,
    tell: Tell,
    stopped: Stopped,
) -> None:
    """The environment with all packages and the worker in it, every file by its hash."""
    where = index.settings()
    if wheels is not None:
        where = index.Index(folders=(str(wheels.absolute()),), online=False)
    scratch = folder / "tmp"
    scratch.mkdir()
    env = index.environment(where)
    # What is fetched lies on the same disk, and goes with the folder if it does not get whole.
    env |= {name: str(scratch) for name in ("TMPDIR", "TEMP", "TMP", "UV_CACHE_DIR")}
    source = str(wheels) if wheels is not None else where.host
    shell = _Shell(env, log_of(paths), stopped, source)
    for host in where.hosts:
        contacts.Errand(paths, _("the worker's packages, by pip or uv")).sending(host)
    own = environment.program(folder)
    uv = None
    if not python.brings_pip:

        def fetched(done: int, total: int) -> None:
            text = _(
                "Fetching the installer uv, {size} of {total}",
                size=wire.megabytes(done),
                total=wire.megabytes(total),
            )
            tell(0.02 + 0.1 * done / total, text)

        uv = str(fetch.uv(scratch / "uv", where, fetch.pinned(parts.locks), stopped, fetched))
    tell(0.13, _("Making an environment"))
    if uv is None:
        shell.do([python.program, "-I", "-m", "venv", str(folder)])
        command = [str(own), "-I", "-m", "pip", "install"]
        options = []
        if wheels is not None:
            options = ["--no-index", "--find-links", str(wheels)]
    else:
        shell.do([uv, "venv", "--allow-existing", "--python", python.program, str(folder)])
        command = [uv, "pip", "install", "--python", str(own)]
        options = index.uv_options(where)
    files = locks.files(flavour, parts.locks)
    count = _Count(sum(_packages(file) for file in files), tell)
    required = [word for file in files for word in ("-r", str(file))]
    locked = ["--require-hashes", "--only-binary", ":all:"]
    shell.do([*command, *locked, *options, *required], count.line)
    tell(0.86, _("Installing the worker"))
    # Our own package comes with the plug-in, never by its name from an index.
    shell.do([*command, "--no-deps", "--no-index", str(parts.wheel)])
    shell.do([str(own), "-E", "-P", "-c", _SERVES])
    shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True)
class _Shell:
    """Runs the installers; a failure is told in a sentence."""

    env: Mapping[str, str]
    log: Path
    stopped: Stopped
    source: str

    def do(self, command: list[str], on_line: Callable[[str], None] = lambda line: None) -> None:
        """Run a command; ``CouldNotBeDone`` when it fails."""
        try:
            code, said = processes.run(command, self.env, self.log, self.stopped, on_line)
        except OSError as error:
            raise CouldNotBeDone(
                _(
                    "{command} could not be started ({reason}). Look again for a Python, or "
                    "repair it.",
                    command=command[0],
                    reason=error.strerror or error,
                )
            ) from error
        if code:
            raise CouldNotBeDone(
                _(
                    "{explained} The whole log is {log}.",
                    explained=explained(said, self.source),
                    log=self.log,
                )
            )


# What installers say, and what it means to the user.
_MEANINGS = (
    (
        r"No space left|WinError 112|Errno 28|os error 28",
        _("The disk is full. Free some space, and try again."),
    ),
    (
        r"DO NOT MATCH THE HASHES|Hash mismatch",
        _(
            "A package from {source} is not the one it should be, so nothing was installed. Try "
            "again, or use another package index."
        ),
    ),
    (
        r"NameResolution|Name or service|name resolution|getaddrinfo|dns error|ConnectTimeout"
        r"|NewConnectionError|Network is unreachable|Connection refused|error sending request"
        r"|ConnectionError|ProxyError|ReadTimeout|tunnel error|Connection broken|Max retries",
        _(
            "{source} could not be reached. Check the connection and the proxy, or choose a folder "
            "of wheels."
        ),
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer",
        _(
            "{source} could not prove who it is (its certificate is not trusted here). Behind a "
            "company's proxy, name its certificate in SSL_CERT_FILE or in pip's setting cert."
        ),
    ),
    (
        r"No matching distribution|Could not find a version|not found in the|no wheels with"
        r"|No solution found|no versions? of",
        _("{source} lacks a package: {last}"),
    ),
)


def explained(said: str, source: str) -> str:
    """A sentence from an installer's output."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"error\b|cause\b|×|╰", line, re.IGNORECASE)]
    last = (errors or lines or [_("it left no message")])[-1][:300]
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, said):
            return meaning.format(source=source, last=last)
    return _("The set-up failed: {last}.", last=last.rstrip("."))


class _Count:
    """How far an installer has come, from its lines."""

    def __init__(self, total: int, tell: Tell) -> None:
        self._seen: set[str] = set()
        self._total = max(1, total)
        self._tell = tell

    def line(self, line: str) -> None:
        """Look at one line of output."""
        if match := _PACKAGE.match(line):
            name = re.split(r"[=\[<>~!-]|\.whl", Path(match[1]).name)[0].replace("_", "-")
            self._seen.add(name)
            size = re.search(r"\(([\d.]+ ?[kMG]i?B)", match[2])
            self._show(
                joined(", ", [_("Fetching {name}", name=name), *(size.groups() if size else ())])
            )
        elif re.match(r"Installing collected packages|Prepared \d+", line):
            self._tell(0.7, _("Installing the packages"))

    def _show(self, text: str) -> None:
        share = min(1.0, len(self._seen) / self._total)
        self._tell(0.14 + 0.54 * share, text)


def _packages(file: Path) -> int:
    return sum("==" in line for line in file.read_text("utf-8").splitlines())


def _prove(folder: Path, paths: Paths, flavour: str, stopped: Stopped) -> dict[str, Any]:
    """Whether the flavour's provider works, by the worker's own probe in the new environment."""
    provider = locks.flavour(flavour).provider
    command = [str(environment.program(folder)), "-E", "-P", "-m", _PROVE, provider]
    command += ["--save", str(folder / "profile.json")]
    code, said = processes.run(command, scrubbed(os.environ), log_of(paths), stopped)
    for line in reversed(said.splitlines()):
        with contextlib.suppress(ValueError):
            answer = unpacked(json.loads(line))
            if isinstance(answer, dict) and not code:
                return {"works": False, "reason": "", "device": "", **answer}
    return {
        "works": False,
        "reason": _("its trial ended with code {code}.", code=code),
        "device": "",
    }


def _only_the_worker_changed(paths: Paths, parts: Parts, flavour: str) -> bool:
    """Whether the present environment needs nothing but a new worker."""
    now = environment.state(paths, parts.digest)
    return (
        now.condition is environment.Condition.OUTDATED
        and now.stamp is not None
        and now.stamp.flavour == flavour
        and now.stamp.locks == locks.digest(flavour, parts.locks)
    )


def _update(paths: Paths, parts: Parts, tell: Tell, stopped: Stopped) -> str:
    """Replace the worker in its environment, which needs no network and takes seconds."""
    now = environment.state(paths)
    assert now.folder is not None and now.stamp is not None
    tell(0.1, _("Ending the worker"))
    if not retire(paths, tell, stopped):
        raise Cancelled(_("Cancelled; nothing was changed."))
    own = str(environment.program(now.folder))
    shell = _Shell(index.environment(index.settings()), log_of(paths), lambda: False, "")
    (now.folder / environment.STAMP).unlink()
    tell(0.4, _("Installing the worker"))
    pip = [own, "-I", "-m", "pip", "install", "--no-deps", "--no-index", "--force-reinstall"]
    shell.do([*pip, str(parts.wheel)])
    shell.do([own, "-E", "-P", "-c", _SERVES])
    facts = {**vars(now.stamp), "version": __version__, "protocol": wire.PROTOCOL}
    environment.write_stamp(now.folder, environment.Stamp(**{**facts, "wheel": parts.digest}))
    # An editor may have started it again meanwhile.
    retire(paths, tell, stopped)
    return _("The worker is now version {version}.", version=__version__)


def retire(paths: Paths, tell: Tell, stopped: Stopped) -> bool:
    """End the running worker once no tool runs; whether there is none any more."""
    while True:
        worker = client.Client(paths, "set-up", __version__)
        try:
            if not worker.connect(start=False):
                return True
            status = worker.ask(wire.AskStatus(), wire.StatusReply)
            if status.job_running is None and not status.jobs_waiting:
                worker.ask(wire.Stop(), wire.Done)
                return client.ended(paths)
        except NssError:
            return client.ended(paths)
        finally:
            worker.close()
        tell(0.98, _("Waiting until the running tool is done"))
        for _turn in range(10):
            if stopped():
                return False
            time.sleep(0.1)
