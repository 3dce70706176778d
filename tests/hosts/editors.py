"""The test editors: Debian systems with Krita and GIMP, built once into a cache and driven here.

As a script: `python3 tests/hosts/editors.py build|status|shell|remove [NAME]`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import worker_venv as venvs
from roots import (
    PRIVATE,
    XAUTHORITY,
    Inside,
    Profile,
    Root,
    RootError,
    await_display,
    clear_display,
    display_number,
    remove_tree,
    require_root,
    temporary_profile,
    with_display,
)

STAMP = "nss-test-editor.json"

_DISPLAY = (
    "xvfb xauth dbus dbus-x11 xdotool x11-apps x11-utils imagemagick openbox procps psmisc "
    "fonts-dejavu-core breeze-icon-theme adwaita-icon-theme hicolor-icon-theme"
)
_TOOLS = "python3-gi python3-venv libimage-exiftool-perl ca-certificates"


@dataclass(frozen=True)
class Recipe:
    """What a root is made of: `steps` are apt-get install lines, run in this order."""

    suite: str
    steps: tuple[str, ...]
    extra_suites: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]


_EDITORS = "krita gimp gir1.2-gimp-3.0 python3-pyqt5 libqt5svg5"
_BOTH = f"{_EDITORS} {_TOOLS} {_DISPLAY}"

RECIPES = {
    # The floor: the versions every feature must work on.
    "debian13": Recipe("trixie", (_BOTH,)),
    # What a new user has: the editors and what they need, no pip and no venv module.
    "bare": Recipe("trixie", (f"{_EDITORS} python3-gi ca-certificates {_DISPLAY}",)),
    "testing": Recipe("testing", (_BOTH,)),
    "krita6": Recipe(
        "sid",
        ("-t experimental krita", f"python3-pyqt6 qt6-svg-plugins {_TOOLS} {_DISPLAY}"),
        extra_suites=("experimental",),
    ),
}


def cache_folder() -> Path:
    """Where roots, environments and locks are kept: outside every checkout."""
    chosen = os.environ.get("NSS_TEST_EDITORS")
    return Path(chosen or Path.home() / ".cache" / "nss-test-editors").expanduser().absolute()


@dataclass(frozen=True)
class Editor:
    """A built root: its programs' versions, and ways to run them."""

    name: str
    cache: Path
    versions: Mapping[str, str] = field(hash=False)

    @property
    def root(self) -> Root:
        return Root(self.cache / self.name, self.cache / "runs", self.cache / f"{self.name}.lock")

    @property
    def gimp_series(self) -> str:
        """The name of GIMP's configuration folder and the ending of its programs: 3.0 or 3.2."""
        if "gimp" not in self.versions:
            raise RootError(f"The test editor {self.name} has no GIMP.")
        return ".".join(self.versions["gimp"].split(".")[:2])

    @property
    def gimp(self) -> str:
        return f"gimp-{self.gimp_series}"

    @property
    def gimp_console(self) -> str:
        return f"gimp-console-{self.gimp_series}"

    def gimp_plug_ins(self, profile: Profile) -> Path:
        """The profile's folder for GIMP plug-ins, made if missing, with a quiet first start."""
        settings = profile.home / ".config" / "GIMP" / self.gimp_series
        folder = settings / "plug-ins"
        folder.mkdir(parents=True, exist_ok=True)
        if not (settings / "gimprc").exists():
            # Without this version GIMP takes the start for the first one after an update.
            quiet = f'(config-version "{self.versions["gimp"]}")\n'
            quiet += "(show-welcome-dialog no)\n(check-updates no)\n"
            (settings / "gimprc").write_text(quiet, encoding="utf-8")
        return folder

    def krita_plug_ins(self, profile: Profile, enable: Sequence[str] = ()) -> Path:
        """The profile's folder for Krita plug-ins; `enable` names those to switch on in kritarc."""
        folder = profile.home / ".local" / "share" / "krita" / "pykrita"
        folder.mkdir(parents=True, exist_ok=True)
        if enable:
            settings = profile.home / ".config" / "kritarc"
            settings.parent.mkdir(parents=True, exist_ok=True)
            lines = [f"enable_{module}=true\n" for module in enable]
            settings.write_text("[python]\n" + "".join(lines), encoding="utf-8")
        return folder

    def profile(self, folder: Path) -> Profile:
        """A user's private folders below `folder`, made if missing, kept until deleted."""
        return Profile(folder.absolute()).create()

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        profile: Profile | None = None,
        binds: Mapping[Path, str] | None = None,
        readonly: Mapping[Path, str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
    ) -> subprocess.CompletedProcess[str]:
        """Runs `argv` inside without a display and waits; see Root.start and Inside.wait.

        Without a profile it gets a fresh one that is deleted afterwards.
        """
        with contextlib.ExitStack() as stack:
            chosen = profile or stack.enter_context(temporary_profile(self.root.scratch))
            inside = stack.enter_context(
                self.root.start(
                    argv,
                    profile=chosen,
                    binds=binds,
                    readonly={**self._environments(), **(readonly or {})},
                    env=env,
                    cwd=cwd,
                )
            )
            return inside.wait(timeout)

    def xvfb(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        profile: Profile | None = None,
        binds: Mapping[Path, str] | None = None,
        readonly: Mapping[Path, str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        window_manager: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Runs `argv` on a display of 1600 by 1000 with a session bus, and waits."""
        with contextlib.ExitStack() as stack:
            chosen = profile or stack.enter_context(temporary_profile(self.root.scratch))
            inside = stack.enter_context(
                self.on_display(
                    argv,
                    profile=chosen,
                    binds=binds,
                    readonly=readonly,
                    env=env,
                    cwd=cwd,
                    window_manager=window_manager,
                )
            )
            return inside.wait(timeout)

    @contextlib.contextmanager
    def on_display(
        self,
        argv: Sequence[str],
        *,
        profile: Profile,
        binds: Mapping[Path, str] | None = None,
        readonly: Mapping[Path, str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        window_manager: bool = True,
    ) -> Iterator[Inside]:
        """`argv` running on a display, for as long as the `with` block lasts.

        The yielded Inside takes screenshots and runs further commands (xdotool, kill) beside it.
        """
        with display_number(self.cache / "displays") as number:
            clear_display(profile, number)
            inside = self.root.start(
                with_display(argv, number, window_manager),
                profile=profile,
                binds=binds,
                readonly={**self._environments(), **(readonly or {})},
                env=env,
                cwd=cwd,
            )
            with inside:
                await_display(inside, number)
                inside.environment |= {"DISPLAY": f":{number}", "XAUTHORITY": XAUTHORITY}
                yield inside

    def worker_venv(
        self, source: Path, constraints: Path | None = None
    ) -> contextlib.AbstractContextManager[venvs.WorkerVenv]:
        """A Python environment inside with the package of `source` (a wheel or a checkout).

        The dependencies are installed once per root, list and constraints; the package itself
        freshly each time, and removed when the `with` block ends.
        """
        return venvs.worker_venv(
            self.root, self._environment_folder(), source.absolute(), constraints
        )

    def _environment_folder(self) -> Path:
        folder = self.cache / "venvs" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _environments(self) -> dict[Path, str]:
        return {self._environment_folder(): venvs.INSIDE}


def built(name: str, cache: Path | None = None) -> Editor | None:
    """The editor of that name if it is finished and made by the present recipe, else None."""
    cache = cache or cache_folder()
    try:
        stamp = json.loads((cache / name / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if stamp["recipe"] != RECIPES[name].fingerprint():
        return None
    return Editor(name, cache, stamp["versions"])


def ensure(name: str) -> Editor:
    """The editor of that name (debian13, testing or krita6), built first where it is missing.

    Raises RootError where this machine cannot build it, and subprocess.CalledProcessError where
    a step of the build fails; its output has gone to standard error by then.
    """
    if name not in RECIPES:
        raise RootError(f"There is no test editor {name!r}; choose from {', '.join(RECIPES)}.")
    require_root()
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    _sweep(cache)
    if editor := built(name, cache):
        return editor
    with _exclusive(cache, name):
        return built(name, cache) or _build(name, cache)


def remove(name: str) -> None:
    """Deletes a root with its Python environments, once nothing runs inside it any more."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with _exclusive(cache, name):
        for folder in (cache / name, cache / f"{name}.building", cache / "venvs" / name):
            remove_tree(folder)


def _sweep(cache: Path) -> None:
    """Deletes what runs that were killed more than a day ago left behind."""
    for pattern in ("runs/run-*", "venvs/*/use-*"):
        for left in cache.glob(pattern):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > 24 * 3600:
                    shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _exclusive(cache: Path, name: str) -> Iterator[None]:
    with (cache / f"{name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"{name}: waiting until it is no longer in use …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(name: str, cache: Path) -> Editor:
    recipe = RECIPES[name]
    building = cache / f"{name}.building"
    remove_tree(building)
    root = Root(building, cache / "runs")
    seconds: dict[str, float] = {}
    with _timed(name, "mmdebstrap", seconds):
        _bootstrap(recipe.suite, building)
    with _timed(name, "apt settings", seconds):
        _apt_settings(root, recipe)
    for number, step in enumerate(recipe.steps, 1):
        with _timed(name, f"install {number} of {len(recipe.steps)}", seconds):
            _inside(root, ["apt-get", "install", "-y", "--no-install-recommends", *step.split()])
    with _timed(name, "clean", seconds):
        _inside(root, ["apt-get", "clean"])
        shutil.rmtree(building / "var/lib/apt/lists", ignore_errors=True)
    versions = _versions(root)
    stamp = {
        "recipe": recipe.fingerprint(),
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions,
        "seconds": seconds,
    }
    (building / STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    with _timed(name, "take the place of the old root", seconds):
        remove_tree(cache / name)
        remove_tree(cache / "venvs" / name)
        building.rename(cache / name)
    _say(f"{name}: ready, {versions}, {sum(seconds.values()):.0f} s")
    return Editor(name, cache, versions)


def _bootstrap(suite: str, folder: Path) -> None:
    missing = [program for program in ("mmdebstrap", "mount") if not shutil.which(program)]
    if missing:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["install", "-y", "--no-install-recommends", *missing]
        for words in (["update"], install):
            subprocess.run(["apt-get", *words], check=True, stdout=sys.stderr, env=environment)
    subprocess.run(
        [
            *PRIVATE,
            "--mount-proc",
            "--",
            "mmdebstrap",
            "--variant=apt",
            "--mode=root",
            '--aptopt=Acquire::Check-Valid-Until "false"',
            # A root is rebuilt after a crash, so no package needs syncing to the disk.
            "--dpkgopt=force-unsafe-io",
            "--include=ca-certificates",
            suite,
            str(folder),
            machine_mirror(),
        ],
        check=True,
        stdout=sys.stderr,
    )


def machine_mirror(apt: Path = Path("/etc/apt")) -> str:
    """The address of the Debian archive that this machine's own apt uses.

    Raises RootError where its sources name none over http or https.
    """
    sources = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    # The main archive first: other sources on the same machine are no Debian archives.
    sources.sort(key=lambda path: path.name not in ("debian.sources", "sources.list"))
    for source in sources:
        if source.suffix not in (".list", ".sources") or not source.is_file():
            continue
        for line in source.read_text(encoding="utf-8", errors="replace").splitlines():
            if found := re.match(r"(?:URIs:|deb\s+(?:\[[^]]*\])?)\s*(https?://\S+)", line):
                return found[1]
    raise RootError(f"{apt} names no Debian archive over http or https; add one to its sources.")


def _apt_settings(root: Root, recipe: Recipe) -> None:
    """Carries this machine's own apt settings and certificates over, and adds suites."""
    inside = root.folder / "etc/apt"
    for settings in sorted(Path("/etc/apt/apt.conf.d").glob("*")):
        text = settings.read_text(encoding="utf-8", errors="replace")
        if settings.name.startswith("99") or "proxy" in text.lower():
            shutil.copyfile(settings, inside / "apt.conf.d" / settings.name)
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():
        shutil.copyfile(bundle, root.folder / str(bundle)[1:])
    policy = root.folder / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    policy.chmod(0o755)
    if recipe.extra_suites:
        lines = [f"deb {machine_mirror()} {suite} main\n" for suite in recipe.extra_suites]
        (inside / "sources.list.d/extra.list").write_text("".join(lines), encoding="utf-8")
    _inside(root, ["apt-get", "update"])


def _inside(root: Root, argv: Sequence[str], timeout: float = 3600) -> None:
    """Runs a step of the build; its output goes to standard error."""
    with temporary_profile(root.scratch) as profile:
        done = root.start(
            argv,
            profile=profile,
            env={"DEBIAN_FRONTEND": "noninteractive"} | _proxies(),
            stdout=sys.stderr.fileno(),
            stderr=sys.stderr.fileno(),
        ).wait(timeout)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, list(argv))


def _proxies() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}


def _versions(root: Root) -> dict[str, str]:
    """The versions, such as 5.2.9, of the editors and the Python that a root has."""
    commands = (
        ["python3", "-c", "import platform; print('python3', platform.python_version())"],
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", "gimp", "krita"],
    )
    lines: list[str] = []
    with temporary_profile(root.scratch) as profile:
        for command in commands:
            lines += root.start(command, profile=profile).wait(60).stdout.splitlines()
    found: dict[str, str] = {}
    for line in lines:
        name, _, version = line.partition(" ")
        upstream = re.match(r"(?:\d+:)?([0-9]+(?:\.[0-9]+)*)", version)
        if upstream:
            found[name] = upstream[1]
    return found


@contextlib.contextmanager
def _timed(name: str, step: str, seconds: dict[str, float]) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - start, 1)
    _say(f"{name}: {step}: {seconds[step]} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _status() -> None:
    for name in RECIPES:
        editor = built(name)
        state = f"ready {dict(editor.versions)}" if editor else "not built, or by an older recipe"
        print(f"{name:10} {state}")
    print(f"{'in':10} {cache_folder()}")


def _shell(name: str) -> int:
    editor = ensure(name)
    with temporary_profile(editor.root.scratch) as profile:
        shell = editor.root.start(
            ["bash", "-i"], profile=profile, stdin=None, stdout=None, stderr=None
        )
        return shell.process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="editors.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in (
        ("build", "build what is missing (debian13 where no name is given)"),
        ("shell", "a shell inside; its home is deleted afterwards"),
        ("remove", "delete it, once nothing runs inside any more"),
    ):
        sub = commands.add_parser(command, help=text)
        sub.add_argument(
            "name",
            choices=[*RECIPES, "all"] if command != "shell" else list(RECIPES),
            nargs="?" if command == "build" else None,
            default="debian13",
        )
    commands.add_parser("status", help="what is built, and where")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "status":
            _status()
        elif chosen.command == "shell":
            return _shell(chosen.name)
        else:
            names = list(RECIPES) if chosen.name == "all" else [chosen.name]
            for name in names:
                ensure(name) if chosen.command == "build" else remove(name)
    except (RootError, subprocess.CalledProcessError) as error:
        _say(f"editors.py: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
