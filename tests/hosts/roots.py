"""How a command runs inside a Debian root: in mount and process namespaces of its own.

Every mount lives in the command's private namespace and every process in its private process
tree, so that both are gone when the command is, however it ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HOME = "/home/nss"
TMP = "/tmp"
RUNTIME = "/run/user/0"
XAUTHORITY = f"{TMP}/xauthority"
SCREEN = "1600x1000x24"

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What follows gets mounts and processes of its own, which end with the thread that starts it.
PRIVATE = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL"),
)

# The shell stays as process 1 of the namespace: it reaps orphans, and an editor that is not
# process 1 gets the usual effects of signals.
_MOUNT_AND_RUN = """
set -e
root=$1; cwd=$2; count=$3; shift 3
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
while [ "$count" -gt 0 ]; do
    mount --bind "$2" "$root$3"
    if [ "$1" = ro ]; then mount -o remount,bind,ro "$root$3"; fi
    shift 3; count=$((count - 1))
done
set +e
chroot "$root" /usr/bin/env --chdir="$cwd" -- "$@"
exit $?
"""


class RootError(RuntimeError):
    """A root cannot be used: the message says which and what to do."""


@dataclass(frozen=True)
class Profile:
    """One user's private folders on this machine: what the editors see as home, /tmp and so on.

    Inside, `home` is /home/nss (HOME), `tmp` is /tmp (TMPDIR) and `runtime` is /run/user/0
    (XDG_RUNTIME_DIR). Prepare files in them before a run and look at them afterwards.
    """

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def tmp(self) -> Path:
        return self.folder / "tmp"

    @property
    def runtime(self) -> Path:
        return self.folder / "runtime"

    def places(self) -> dict[str, Path]:
        """What the folders are called inside."""
        return {HOME: self.home, TMP: self.tmp, RUNTIME: self.runtime}

    def create(self) -> Profile:
        """Makes the folders that are missing; returns itself."""
        for folder, mode in ((self.home, 0o755), (self.tmp, 0o1777), (self.runtime, 0o700)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        return self


@dataclass(frozen=True)
class Root:
    """A folder that holds a Debian system, and the lock file that keeps it while it is used."""

    folder: Path
    scratch: Path
    lock: Path | None = None

    def start(
        self,
        argv: Sequence[str],
        *,
        profile: Profile,
        binds: Mapping[Path, str] | None = None,
        readonly: Mapping[Path, str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = subprocess.PIPE,
        stderr: int | None = subprocess.PIPE,
    ) -> Inside:
        """Starts `argv` inside the root and returns at once.

        `binds` and `readonly` map files or folders of this machine to absolute paths inside.
        The command dies with the thread that started it.
        """
        mounts = [("ro", host, inside) for host, inside in self._machine_files().items()]
        mounts += [("rw", folder, inside) for inside, folder in profile.places().items()]
        mounts += [("ro", Path(host), inside) for host, inside in (readonly or {}).items()]
        mounts += [("rw", Path(host), inside) for host, inside in (binds or {}).items()]
        command = [*PRIVATE, "--", "sh", "-c", _MOUNT_AND_RUN, "sh"]
        command += [str(self.folder), cwd, str(len(mounts))]
        for mode, host, inside in mounts:
            command += [mode, str(host), inside]
        environment = plain_environment() | dict(env or {})
        with self._held() as kept:
            if not (self.folder / "usr/bin/env").exists():
                raise RootError(f"{self.folder} is no finished root; build it again.")
            for _, host, inside in mounts:
                self._mount_point(host, inside, profile)
            process = subprocess.Popen(
                [*command, *argv],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                text=True,
                encoding="utf-8",
                errors="replace",
                pass_fds=kept,
            )
        return Inside(self, list(argv), process, profile, environment)

    def _machine_files(self) -> dict[Path, str]:
        """This machine's name resolution and certificates, for the files the root has too."""
        wanted = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")
        return {
            Path(name).resolve(): name
            for name in wanted
            if Path(name).exists() and (self.folder / name[1:]).is_file()
        }

    def _mount_point(self, host: Path, inside: str, profile: Profile) -> None:
        """Makes the place that `host` is mounted on, refusing ways that lead out of the root."""
        if not host.exists():
            raise RootError(f"{host} is to appear as {inside} inside the root, but is missing.")
        if not inside.startswith("/") or ".." in Path(inside).parts:
            raise RootError(f"{inside!r} is no absolute path inside the root.")
        place = self.folder
        for part in Path(inside).parts[1:]:
            place /= part
            if place.is_symlink():
                raise RootError(f"{place} is a link; give the path inside that it leads to.")
        # What lies below home and /tmp is mounted on the profile's folders, not on the root's.
        for shown, folder in profile.places().items():
            if inside.startswith(f"{shown}/"):
                place = folder / inside[len(shown) + 1 :]
        if host.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()

    @contextlib.contextmanager
    def _held(self) -> Iterator[tuple[int, ...]]:
        """A shared lock whose descriptor the command inherits, so that it keeps the root."""
        if self.lock is None:
            yield ()
            return
        with self.lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield (file.fileno(),)


class Inside:
    """A command that runs inside a root; leaving its `with` block ends all its processes."""

    def __init__(
        self,
        root: Root,
        argv: list[str],
        process: subprocess.Popen[str],
        profile: Profile,
        environment: Mapping[str, str],
    ) -> None:
        self.root = root
        self.argv = argv
        self.process = process
        self.profile = profile
        self.environment = dict(environment)

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def wait(self, timeout: float) -> subprocess.CompletedProcess[str]:
        """Waits for the command and returns its exit status and output as text.

        A command ended by signal n has the status 128 + n. Raises subprocess.TimeoutExpired,
        with the output so far as text, once `timeout` seconds have passed and all is ended.
        """
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise subprocess.TimeoutExpired(self.argv, timeout, out, err) from None
        except BaseException:
            self.end()
            raise
        return subprocess.CompletedProcess(self.argv, self.process.returncode, out, err)

    def also(self, argv: Sequence[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a second command among the first one's mounts, processes and display."""
        first = self._first_process()
        if first is None:
            raise RootError(f"Nothing runs inside {self.root.folder} any more.")
        enter = ["nsenter", "--target", str(first), "--mount", "--pid", "--"]
        return subprocess.run(
            [*enter, "chroot", str(self.root.folder), *argv],
            check=False,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
        )

    def screenshot(self, target: Path, timeout: float = 60) -> Path:
        """Writes a PNG of the whole display to `target` on this machine."""
        with tempfile.NamedTemporaryFile(dir=self.profile.tmp, suffix=".png") as picture:
            name = f"{TMP}/{Path(picture.name).name}"
            done = self.also(["import", "-window", "root", name], timeout)
            if done.returncode:
                raise RootError(f"The screenshot failed: {done.stderr.strip()}")
            shutil.copyfile(picture.name, target)
        return target

    def end(self) -> None:
        """Ends every process of the command at once."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _first_process(self) -> int | None:
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = status.read_text().rpartition(")")[2].split()
                if int(fields[1]) == self.process.pid and fields[0] != "Z":
                    return int(status.parent.name)
        return None


def plain_environment() -> dict[str, str]:
    """What every command inside gets, whatever the caller's own environment holds."""
    return {
        "PATH": PATH,
        "HOME": HOME,
        "USER": "root",
        "LOGNAME": "root",
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "TMPDIR": TMP,
        "XDG_RUNTIME_DIR": RUNTIME,
    }


def with_display(argv: Sequence[str], number: int, window_manager: bool) -> list[str]:
    """`argv` wrapped in a session bus, an X display of that number, and openbox if wanted."""
    inner = list(argv)
    if window_manager:
        inner = ["sh", "-c", 'openbox & exec "$@"', "sh", *inner]
    # Keys do not repeat (-r): on a busy machine one is held for longer than was meant.
    screen = f"-r -screen 0 {SCREEN}"
    display = ["xvfb-run", "-n", str(number), "-f", XAUTHORITY, "-s", screen]
    return ["dbus-run-session", "--", *display, *inner]


@contextlib.contextmanager
def display_number(folder: Path) -> Iterator[int]:
    """A display number that no other run on this machine has.

    X servers listen on an abstract socket too, which mount namespaces do not keep apart.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(200, 400):
        with (folder / f"{number}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if f"@/tmp/.X11-unix/X{number}" in Path("/proc/net/unix").read_text().split():
                continue
            yield number
            return
    raise RootError("All display numbers from 200 to 399 are in use; end some editors first.")


def clear_display(profile: Profile, number: int) -> None:
    """Deletes what a display of that number left in the profile when it was ended."""
    for left in (f".X{number}-lock", f".X11-unix/X{number}", Path(XAUTHORITY).name):
        (profile.tmp / left).unlink(missing_ok=True)


def await_display(inside: Inside, number: int, timeout: float = 30) -> None:
    """Returns once the display's socket is there; raises RootError if it never comes."""
    deadline = time.monotonic() + timeout
    while not (inside.profile.tmp / ".X11-unix" / f"X{number}").exists():
        if inside.process.poll() is not None or time.monotonic() > deadline:
            inside.process.kill()
            words = "".join(text or "" for text in inside.process.communicate()).strip()
            raise RootError(
                f"The display :{number} did not start inside {inside.root.folder}: {words}"
            )
        time.sleep(0.05)


def mounts_beneath(folder: Path) -> list[Path]:
    """The mount points at or below `folder`, as this process sees them."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        escaped = line.split()[4]
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), escaped))
        if point == folder or folder in point.parents:
            found.append(point)
    return found


def remove_tree(folder: Path) -> None:
    """Deletes a root, never one that has something mounted beneath it."""
    folder = folder.resolve()
    if mounted := mounts_beneath(folder):
        names = ", ".join(map(str, mounted))
        raise RootError(f"{folder} is not deleted: mounted beneath it are {names}. Unmount first.")
    if folder.exists():
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)


@contextlib.contextmanager
def temporary_profile(scratch: Path) -> Iterator[Profile]:
    """A profile that is deleted afterwards."""
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=scratch))
    try:
        yield Profile(folder).create()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_root() -> None:
    """Raises RootError where mounts are not allowed."""
    if os.geteuid() != 0:
        raise RootError("The test editors need root: they mount folders and change the root.")
    private = ["unshare", "--mount", "--pid", "--fork", "true"]
    tried = subprocess.run(private, check=False, capture_output=True)
    if tried.returncode:
        why = tried.stderr.decode(errors="replace").strip()
        raise RootError(
            f"This machine allows no private mounts ({why}); in a container, grant CAP_SYS_ADMIN."
        )
