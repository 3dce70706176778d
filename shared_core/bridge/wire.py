"""The messages between an editor and the worker, as dataclasses; ``codec`` makes bytes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import CouldNotBeDone
from .language import _
from .settings import USUAL, Limits

PROTOCOL = 5
MAX_MESSAGE = 1 << 20
MAX_SIDE = 1 << 20

REAL, CLASSICAL, BYO = "real", "classical", "byo"
# The paths on which a model makes the pixels: one of the catalogue, or one of the user's own.
BY_MODEL = (REAL, BYO)
PATHS = ("auto", REAL, CLASSICAL)

Folder = Literal["runtime", "overflow"]
Depth = Literal["u8", "u16", "f32"]
Order = Literal["rgba", "bgra"]
Curve = Literal["srgb", "linear"]
MASK: Literal["mask"] = "mask"

# Why a real model runs where there is nothing more to say.
FITS = _("the model is here and fits the limits")
AS_CHOSEN = _("as you chose")

# Pixels around a selection that a tool sees along with it.
CONTEXT = 64


class WireError(CouldNotBeDone):
    """A message that is not one of ours, or has fields of the wrong type."""

    code = "wire"


def megabytes(count: int) -> str:
    """A byte count as users read it."""
    if count >= 1_000_000_000:
        return _("{number:.1f} GB", number=count / 1e9)
    return _("{number} MB", number=max(1, round(count / 1e6)))


def speed(bytes_per_second: float) -> str:
    """A speed as users read it."""
    if bytes_per_second < 1e6:
        return _("{number:.0f} kB/s", number=bytes_per_second / 1e3)
    return _("{number:.1f} MB/s", number=bytes_per_second / 1e6)


def duration(seconds: float) -> str:
    """A number of seconds as users read it."""
    if seconds < 0.1:
        return _("{number:.1f} s", number=0.1)
    if seconds < 10:
        return _("{number:.1f} s", number=seconds)
    if seconds < 120:
        return _("{number:.0f} s", number=seconds)
    if seconds < 7200:
        return _("{number:.0f} min", number=seconds / 60)
    return _("{number:.0f} h", number=seconds / 3600)


@dataclass(frozen=True)
class Instead:
    """A model that allows commercial use, where the offered one does not.

    The tool's parameter "model" takes it by the word ``choice``. ``bytes`` is what a download of it
    would still transfer, 0 where it is here.
    """

    model: str
    title: str
    choice: str
    bytes: int


@dataclass(frozen=True)
class Offer:
    """A download that would make the real path possible, and what the user is told of it.

    ``licence_link`` is where the licence can be read. ``commercial`` says whether it allows
    commercial use (yes, no or unclear) and ``terms`` why.
    ``hub_declared``: the SHA-256 of some of its files is known from the hub alone.
    """

    model: str
    title: str
    bytes: int
    licence: str
    licence_link: str
    commercial: str
    terms: str
    hub_declared: bool
    instead: Instead | None = None


@dataclass(frozen=True)
class Plan:
    """Which path a tool will take, and why.

    ``path`` is None when what the user asked for is not possible; ``reason`` then says why.
    ``offer`` is the download, of ``download_bytes``, that would make the real path possible, or
    better. ``insist`` is what the user may choose to have a real model run that ``auto`` leaves
    alone, and ``remedy`` what would have it run by itself. ``vram_bytes`` is None where no memory
    of a graphics card is needed. ``tile_divisor`` is 2 where tiles have half their usual side.
    """

    path: str | None
    model: str | None
    provider: str | None
    reason: str
    seconds: float | None
    peak_bytes: int | None
    download_bytes: int
    title: str = ""
    offer: Offer | None = None
    insist: str = ""
    remedy: str = ""
    vram_bytes: int | None = None
    tile_divisor: int = 1

    @property
    def download(self) -> str | None:
        """The id of the model that is offered."""
        return self.offer.model if self.offer else None

    def sentence(self) -> str:
        """The plan in one line; panel, dialog and command line all show this one."""
        if self.path is None:
            parts: list[str] = [_("not possible")]
        elif self.path == CLASSICAL:
            parts = [self.title or _("classical")]
        else:
            parts = [_("your model") if self.path == BYO else _("real"), self.title]
            parts.append(provider_title(self.provider or ""))
        takes = []
        if self.seconds is not None:
            takes.append(_("about {time}", time=duration(self.seconds)))
        if self.peak_bytes is not None:
            takes.append(_("{size} of memory", size=megabytes(self.peak_bytes)))
        if self.vram_bytes is not None:
            size = megabytes(self.vram_bytes)
            takes.append(_("{size} of graphics memory", size=size))
        parts.append(", ".join(takes))
        parts += [self.reason if self.reason != FITS else "", self.remedy]
        text = " · ".join(part for part in parts if part)
        return text[:1].upper() + text[1:]

    def brief(self) -> str:
        """The plan in a few words, for a list of tools: the path's word first, then what matters.

        For example "real · NAFNet · CPU · about 40 s" or "classical · NAFNet is not downloaded,
        92 MB".
        """
        if self.path in BY_MODEL:
            word = _("your model") if self.path == BYO else _("real")
            parts = [word, self.title, provider_title(self.provider or "")]
        else:
            why = "" if self.reason in (FITS, AS_CHOSEN) else self.reason
            parts = [_("classical") if self.path else _("not possible"), why]
        if self.seconds is not None and (self.path in BY_MODEL or not parts[1]):
            parts.append(_("about {time}", time=duration(self.seconds)))
        return " · ".join(part for part in parts if part)


def provider_title(provider: str) -> str:
    """An onnxruntime provider's name as users know it."""
    known = {"DmlExecutionProvider": "DirectML", "CPUExecutionProvider": "CPU"}
    return known.get(provider, provider.removesuffix("ExecutionProvider"))


@dataclass(frozen=True)
class PixelFile:
    """A file of raw pixels in the runtime or the overflow folder.

    Rows from top to bottom without padding; four channels (``rgba`` or ``bgra``, straight alpha,
    sRGB primaries) or one (``mask``); ``depth`` u8, u16 or f32, little-endian; ``curve`` srgb or
    linear; ``grey`` when the three colours of every pixel are equal and shall stay so.
    """

    folder: Folder
    name: str
    width: int
    height: int
    depth: Depth
    order: Literal["rgba", "bgra", "mask"]
    curve: Curve
    grey: bool = False

    @property
    def pixel_size(self) -> int:
        """Bytes of one pixel."""
        channels = 1 if self.order == MASK else 4
        return channels * {"u8": 1, "u16": 2, "f32": 4}[self.depth]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.width * self.height * self.pixel_size

    def check(self) -> None:
        """Raise ``WireError`` unless it has a sensible size."""
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise WireError(f"The description of the pixel file {self.name!r} is not valid.")


@dataclass(frozen=True)
class Hello:
    """First message of an editor."""

    protocol: int
    host: str
    version: str


@dataclass(frozen=True)
class Welcome:
    """The worker's answer to ``Hello``."""

    protocol: int
    version: str
    pid: int


@dataclass(frozen=True)
class AskPlan:
    """What would happen to a layer, or to a selected part of it with its context, of this size?"""

    tool: str
    width: int
    height: int
    path: str = "auto"
    parameters: dict[str, Any] = field(default_factory=dict)
    limits: Limits = USUAL
    commercial_only: bool = False


@dataclass(frozen=True)
class PlanReply:
    """The answer to ``AskPlan``."""

    plan: Plan


@dataclass(frozen=True)
class StartJob:
    """Run a tool on ``source`` and put the pixels into ``result``.

    ``mask`` is the selection, ``strokes`` the layer with the user's marks; ``matte`` takes a
    cut-out's layer mask. Without ``result`` the tool gives words only. ``worked_width`` and
    ``worked_height`` are the size that the plan was about.
    """

    tool: str
    source: PixelFile
    result: PixelFile | None
    mask: PixelFile | None = None
    strokes: PixelFile | None = None
    matte: PixelFile | None = None
    worked_width: int | None = None
    worked_height: int | None = None
    path: str = "auto"
    parameters: dict[str, Any] = field(default_factory=dict)
    limits: Limits = USUAL
    commercial_only: bool = False
    previous: dict[str, Any] | None = None
    note: str = ""
    lost_worker: str = ""

    def files(self) -> tuple[PixelFile, ...]:
        """All its pixel files."""
        files = (self.source, self.result, self.mask, self.strokes, self.matte)
        return tuple(file for file in files if file)


@dataclass(frozen=True)
class Queued:
    """The job waits behind ``place`` others."""

    place: int


@dataclass(frozen=True)
class Progress:
    """How far a job or download has come, in ``unit`` (tiles or bytes), and how fast it goes."""

    stage: str
    done: int
    total: int
    unit: str
    seconds_left: float | None = None
    plan: Plan | None = None
    bytes_per_second: float | None = None

    def sentence(self) -> str:
        """The progress as users read it."""
        if self.unit == "bytes":
            text: str = _(
                "{stage} {done} of {total}",
                stage=self.stage,
                done=megabytes(self.done),
                total=megabytes(self.total),
            )
        elif self.total > 1:
            text = _(
                "{stage}, tile {done} of {total}",
                stage=self.stage,
                done=self.done,
                total=self.total,
            )
        else:
            text = self.stage
        if self.bytes_per_second is not None:
            text += f", {speed(self.bytes_per_second)}"
        if self.seconds_left is not None:
            text += ", " + _("{time} left", time=duration(self.seconds_left))
        return text


@dataclass(frozen=True)
class JobDone:
    """The result is in its file; this is its receipt."""

    receipt: dict[str, Any]


@dataclass(frozen=True)
class Cancel:
    """Stop the request that is running on this connection."""


@dataclass(frozen=True)
class Download:
    """Fetch and verify a model; the user has consented. ``environment`` holds Hub settings."""

    model: str
    environment: dict[str, str] = field(default_factory=dict)


Chore = Literal["verify", "remove", "import", "export", "move"]


@dataclass(frozen=True)
class Tend:
    """Do something with the models that are here, or with all of them where none is named.

    ``folder`` is what to import from, export to or move all models to.
    """

    chore: Chore
    models: tuple[str, ...] = ()
    folder: str = ""


@dataclass(frozen=True)
class AskModels:
    """Which models are there, and what is here of them?"""


@dataclass(frozen=True)
class Model:
    """A model of the catalogue, and what is here of it.

    ``tool`` is "" for a helper, which serves none alone; ``rank`` orders the models of one tool.
    ``by_itself`` says whether it runs without being chosen. ``own``: the user brought it;
    ``shipped``: it is a part of NSS and stays. ``state`` is installed, unchecked, missing, partial
    or bad, of the model with all that it needs, and ``reason`` says why it cannot be used.
    ``bytes`` is the size of its own files, ``missing_bytes`` what a download would transfer, and
    ``disk_bytes`` what its folder takes. ``coming`` says that somebody downloads it.
    ``arrived`` and ``used`` are days (ISO 8601), "" where not known or never. ``seconds`` is what
    it would take for a photo of 12 megapixels on this machine, None where that is not known, and
    ``against`` what is too much of it, if anything. ``commercial`` is yes, no or unclear, and
    ``terms`` says why.
    ``hub_declared``: the SHA-256 of some of its files is known from the hub alone.
    """

    id: str
    tool: str
    title: str
    tier: str
    rank: int
    by_itself: bool
    own: bool
    shipped: bool
    state: str
    reason: str
    bytes: int
    missing_bytes: int
    disk_bytes: int
    coming: bool
    arrived: str
    used: str
    seconds: float | None
    against: str
    licence: str
    licence_link: str
    commercial: str
    terms: str
    hub_declared: bool


@dataclass(frozen=True)
class ModelsReply:
    """The answer to ``AskModels``.

    ``folder`` is where all models are, on a disk with ``free_bytes``; ``trouble`` says why it
    cannot be used. ``strangers`` are the bytes of models that no card knows any more, by name;
    ``unfinished_bytes`` is what downloads that did not end have left.
    """

    folder: str
    free_bytes: int
    trouble: str
    models: tuple[Model, ...]
    strangers: dict[str, int]
    unfinished_bytes: int


@dataclass(frozen=True)
class AskHub:
    """What are these files of a repository at a revision: how large, under which licence?

    The first is the model; data that is named after it is found by itself.
    """

    repo: str
    revision: str
    files: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HubReply:
    """The answer to ``AskHub``: all the files that there are to fetch, and their bytes."""

    files: tuple[str, ...]
    size: int
    licence: str
    host: str

    def consent(self) -> str:
        """What the user consents to before the files are fetched."""
        return _(
            "Download {file}, {size}, licence {licence}, from {host}",
            file=self.files[0],
            size=megabytes(self.size),
            licence=self.licence or _("not declared"),
            host=self.host,
        )


@dataclass(frozen=True)
class FetchFiles:
    """Fetch and verify files of a repository, to be examined; the user has consented."""

    repo: str
    revision: str
    files: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fetched:
    """The files are here; ``file`` is the model's path, ``model`` the id that it would have."""

    file: str
    model: str


@dataclass(frozen=True)
class Examine:
    """Find out how ``tool`` can use the model in ``file``, and try it; nothing is stored.

    ``file`` is a whole path; ``model`` the id that ``Fetched`` gave, for files from the Hub. The
    user's corrections are in ``told``, by the names of the findings. ``tile`` is a part of the
    user's picture of at most 512 pixels a side to try it on; without one it is a known picture.
    """

    tool: str
    file: str
    model: str = ""
    repo: str = ""
    revision: str = ""
    title: str = ""
    licence: str = ""
    commercial: Literal["yes", "no", "unclear"] = "unclear"
    told: dict[str, str] = field(default_factory=dict)
    tile: PixelFile | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that was understood of a model: its value in words, how sure it is, and why.

    ``sure`` is declared (by the file), measured, likely, assumed (the usual was taken), either (it
    makes no difference) or told (by the user). ``choices`` are the values to offer for a
    correction; where ``free`` is true others may do too. With less than two choices and not
    ``free`` there is nothing to correct.
    """

    name: str
    title: str
    value: str
    sure: str
    why: str
    choices: tuple[str, ...] = ()
    free: bool = False

    @property
    def open(self) -> bool:
        """Whether the user can correct it."""
        return self.free or len(self.choices) > 1


@dataclass(frozen=True)
class Examined:
    """The answer to ``Examine`` where the model fits.

    ``png`` is the preview in base 64, before and after side by side, "" where the trial run failed,
    which ``doubts`` then say. ``card`` and ``file`` go into ``AddModel``, which only a model that
    ``works`` passes: ``doubts`` say what is wrong with another.
    """

    findings: tuple[Finding, ...]
    doubts: tuple[str, ...]
    summary: str
    title: str
    card: str
    file: str
    works: bool
    png: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class AddModel:
    """Store a model as it was examined: both are those of ``Examined``.

    A card that this worker did not make itself is tried before the model counts as here.
    """

    card: str
    file: str


@dataclass(frozen=True)
class Added:
    """The model is here, verified and tried, under this id."""

    model: str
    text: str


@dataclass(frozen=True)
class SwitchModel:
    """Have a model of the user's used by itself, or only where it is chosen by its name."""

    model: str
    on: bool


@dataclass(frozen=True)
class Done:
    """A request without a result of its own has been carried out."""

    text: str = ""


@dataclass(frozen=True)
class AskStatus:
    """What is the worker doing?"""


@dataclass(frozen=True)
class StatusReply:
    """The answer to ``AskStatus``."""

    pid: int
    runner_pid: int | None
    jobs_waiting: int
    job_running: str | None
    uptime_seconds: float
    version: str


@dataclass(frozen=True)
class AskDoctor:
    """The machine's profile; with ``wait`` it is measured first if it is not known yet."""

    wait: bool = True
    again: bool = False


@dataclass(frozen=True)
class DoctorReply:
    """The answer to ``AskDoctor``: a device profile, or None while there is none.

    ``advice`` holds the tiers and the recommended one. ``line`` says what matters of both, and
    ``report`` all of it in several lines.
    """

    profile: dict[str, Any] | None
    advice: dict[str, Any] | None = None
    line: str = ""
    report: str = ""


@dataclass(frozen=True)
class TryAgain:
    """Forget remembered faults of a tool's models, or of all."""

    tool: str | None = None


@dataclass(frozen=True)
class Stop:
    """End the worker after the running job's cancellation."""


@dataclass(frozen=True)
class Failed:
    """A request failed; ``code`` is an error's of ``errors``."""

    code: str
    message: str


REQUESTS: tuple[type, ...] = (
    Hello,
    AskPlan,
    StartJob,
    Cancel,
    Download,
    Tend,
    AskModels,
    AskHub,
    FetchFiles,
    Examine,
    AddModel,
    SwitchModel,
    AskStatus,
    AskDoctor,
    TryAgain,
    Stop,
)
REPLIES: tuple[type, ...] = (
    Welcome,
    PlanReply,
    Queued,
    Progress,
    JobDone,
    HubReply,
    Fetched,
    Examined,
    Added,
    Done,
    ModelsReply,
    StatusReply,
    DoctorReply,
    Failed,
)
