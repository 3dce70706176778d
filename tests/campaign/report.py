"""The campaign's figures as the page ``docs/reliability.md``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import onnxruntime

from shared_core.bridge import __version__

from . import downloads
from .download_kills import DownloadDeaths
from .guided import Tally as Guided
from .kills import Deaths, EditorDeaths
from .messages import MEMORY_MB
from .messages import Tally as Messages
from .plans import LIMIT_SECONDS
from .soak import CLIENTS
from .soak import Tally as Soaked
from .strangers import COUNT
from .strangers import Tally as Strangers
from .surroundings import Trouble
from .sweep import Tally

_KINDS = {
    "error": "the session or its run raises",
    "memory": "memory runs out (session, run, mapping the pixels, reading them)",
    "lost": "the device is lost",
    "nan": "an output of no numbers",
    "one-nan": "one value of an output is no number",
    "infinite": "one value of an output is infinite",
    "shape": "an output is too narrow",
    "rank": "an output lacks a dimension",
    "hang": "the run hangs",
    "freeze": "the runner stands still and gives no sign of life",
    "kill": "the runner is killed",
    "exit": "the runner ends",
    "supervisor": "the supervisor is killed",
    "gone": "the model's file disappears after the plan, or after it was checked",
    "truncated": "the model's file is cut short there",
    "changed": "a bit of the model's file changes there",
}


@dataclass
class Figures:
    """All that the campaign found; parts that were not run are None."""

    seed: int
    machine: str
    seconds: float = 0.0
    of_faults: int = 0
    tally: Tally | None = None
    deaths: list[Deaths] = field(default_factory=list)
    wanted_deaths: dict[str, int] = field(default_factory=dict)
    plans: list[tuple[str, int, float, float]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    editors: list[EditorDeaths] = field(default_factory=list)
    downloads: downloads.Tally | None = None
    of_downloads: int = 0
    download_deaths: list[DownloadDeaths] = field(default_factory=list)
    strangers: Strangers | None = None
    messages: Messages | None = None
    guided: Guided | None = None
    soak: Soaked | None = None

    def save(self, file: Path) -> None:
        """Keep the figures, so that a later run of other parts can be told on the same page."""
        file.write_text(json.dumps(asdict(self), indent=1), "utf-8")

    def join(self, file: Path) -> None:
        """Take over from ``file`` the parts that were not run this time, if it is there."""
        if not file.exists():
            return
        kept = json.loads(file.read_text("utf-8"))
        self.seconds += kept["seconds"]
        if self.tally is None and kept["tally"]:
            self.tally, self.of_faults = Tally(**kept["tally"]), kept["of_faults"]
        self.deaths = self.deaths or [Deaths(**one) for one in kept["deaths"]]
        self.wanted_deaths = self.wanted_deaths or kept["wanted_deaths"]
        mine = {one.editor for one in self.editors}
        old = [EditorDeaths(**one) for one in kept.get("editors", ())]
        self.editors = [one for one in old if one.editor not in mine] + self.editors
        if self.downloads is None and kept.get("downloads"):
            self.downloads = downloads.Tally(**kept["downloads"])
            self.of_downloads = kept["of_downloads"]
        died = [DownloadDeaths(**one) for one in kept.get("download_deaths", ())]
        self.download_deaths = self.download_deaths or died
        if self.strangers is None and kept.get("strangers"):
            self.strangers = Strangers(**kept["strangers"])
        if self.messages is None and kept.get("messages"):
            self.messages = Messages(**kept["messages"])
        if self.guided is None and kept.get("guided"):
            self.guided = Guided(**kept["guided"])
        if self.soak is None and kept.get("soak"):
            self.soak = Soaked(**kept["soak"])
        self.plans = self.plans or [tuple(row) for row in kept["plans"]]
        self.troubles = self.troubles or [Trouble(**one) for one in kept["troubles"]]

    @property
    def faults(self) -> list[str]:
        """Everything that should not have been."""
        found = list(self.tally.faults) if self.tally else []
        found += self.downloads.faults if self.downloads else []
        for deaths in [*self.deaths, *self.editors, *self.download_deaths]:
            found += deaths.faults
        found += self.strangers.faults if self.strangers else []
        found += self.messages.faults if self.messages else []
        found += self.guided.wrong if self.guided else []
        found += self.soak.faults if self.soak else []
        return found + [f"{one.name}: {one.wrong}" for one in self.troubles if one.wrong]


def machine() -> str:
    """This machine and what runs on it, in a line."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}, "
        f"load average {os.getloadavg()[0]:.0f}"
    )


def page(figures: Figures) -> str:
    """The page as Markdown."""
    parts = [
        "# Reliability",
        "",
        "This page is written by `python tests/campaign/run.py --out docs/reliability.md`; "
        f"`make campaign` runs all of it. Here: NSS {__version__}, seed {figures.seed}, "
        f"{figures.seconds / 60:.0f} minutes on {figures.machine}. Parts may have been run at "
        "different times (`--parts`); `reliability.json` keeps the figures of all.",
        "",
        "In the parts on runs of tools, contract models (tiny networks with the tensors of the "
        "real ones) run through the real "
        "command line, supervisor and runner. A seam under onnxruntime, which the product does not "
        "know of, provokes each fault and writes down which model's session gave each output. A "
        "label is true when this witness and the pixels agree with it: the pixels must be those "
        "of an undisturbed run by the labelled path, bit by bit (to within a few levels where "
        "smaller tiles were used).",
        "",
        *_sweep(figures),
        *_kills(figures.deaths, figures.wanted_deaths),
        *_editors(figures.editors),
        *_surroundings(figures.troubles),
        *_plans(figures.plans),
        *_downloads(figures),
        *_download_kills(figures.download_deaths),
        *_strangers(figures.strangers),
        *_messages(figures.messages),
        *_guided(figures.guided),
        *_soak(figures.soak),
    ]
    if figures.faults:
        parts += ["## What went wrong", "", *(f"- {text}" for text in figures.faults), ""]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows), ""]


def _sweep(figures: Figures) -> list[str]:
    tally = figures.tally
    if tally is None:
        return []
    rows = [
        ("runs with a fault", f"{tally.runs} of {figures.of_faults} there are"),
        ("faults provoked", tally.provoked),
        ("results with a receipt", tally.results),
        ("“real only” refused with the reason, as asked", tally.refused),
        ("no result", len(tally.missing)),
        ("wrong labels", len(tally.wrong_labels)),
        ("reasons other than the injected fault", len(tally.wrong_reasons)),
        ("pixels of another path", len(tally.wrong_pixels)),
        ("sources changed", len(tally.changed_sources)),
        ("runs that took longer than a minute", len(tally.slow)),
        ("longest run", f"{tally.longest_seconds:.1f} s"),
    ]
    return [
        "## Faults",
        "",
        "Every fault at the first, a middle and the last run of a model in a job, at the opening "
        "of its session, while pixels are mapped and read, and between plan and run; for every "
        "tool, by both paths. Hangs were waited for 8 s here instead of 30 s and more.",
        "",
        *_table(("", "count"), rows),
        *_table(
            ("fault", "runs"),
            [(_KINDS[kind], count) for kind, count in sorted(tally.by_kind.items())],
        ),
        *_table(("tool", "runs"), sorted(tally.by_tool.items())),
    ]


def _kills(deaths: Sequence[Deaths], wanted: dict[str, int]) -> list[str]:
    if not deaths:
        return []
    rows = [
        (
            one.victim,
            f"{one.runs} of {wanted.get(one.victim, one.runs)}",
            one.struck,
            one.real,
            one.classical,
            len(one.wrong),
            len(one.missing),
            len(one.orphans),
            f"{one.longest_seconds:.1f} s",
            f"{one.longest_cleaning_seconds:.1f} s",
        )
        for one in deaths
    ]
    head = (
        *("killed", "runs", "struck alive", "real", "classical", "wrong labels", "no result"),
        *("left over after a minute", "longest run", "longest until all was clean"),
    )
    return [
        "## Kills at moments of chance",
        "",
        "A run of Deblur from the command line, and a SIGKILL at a moment of chance in it. Some "
        "moments lie before the process is there or after it is done.",
        "",
        *_table(head, rows),
    ]


def _editors(deaths: Sequence[EditorDeaths]) -> list[str]:
    if not deaths:
        return []
    rows = [
        (
            one.editor,
            one.victim,
            f"{one.runs} of {one.wanted}",
            one.struck,
            one.real,
            one.classical,
            len(one.wrong),
            len(one.missing),
            len(one.changed),
            len(one.ended),
            len(one.orphans),
            f"{one.longest_seconds:.1f} s",
            f"{one.longest_cleaning_seconds:.1f} s",
        )
        for one in deaths
    ]
    head = (
        *("editor", "killed", "runs", "struck alive", "real", "classical", "wrong labels"),
        *("no result", "sources changed", "editor ended", "left over after a minute"),
        *("longest run", "longest until all was clean"),
    )
    return [
        "## Kills in the real editors",
        "",
        "A run of Deblur in the real program on a virtual display, again and again in one start of "
        "it, and a SIGKILL at a moment of chance between the click and the time that an "
        "undisturbed run takes. Before each run the worker forgets its faults, so that each begins "
        "on the real path. No seam here: a label is true when the result layer has, bit by bit, "
        "the pixels of an undisturbed run by the labelled path and, where it is classical, a "
        "process was struck and the receipt names that death.",
        "",
        *_table(head, rows),
    ]


def _surroundings(troubles: Sequence[Trouble]) -> list[str]:
    if not troubles:
        return []
    rows = [
        (
            one.name,
            f"not tried: {one.skipped}" if one.skipped else one.came,
            "WRONG" if one.wrong else "",
        )
        for one in troubles
    ]
    return ["## Full disks and no memory", "", *_table(("what", "what came", ""), rows)]


def _plans(rows: Sequence[tuple[str, int, float, float]]) -> list[str]:
    if not rows:
        return []
    shown = [(state, n, f"{middle:.1f}", f"{most:.1f}") for state, n, middle, most in rows]
    return [
        "## Plans",
        "",
        f"With the supervisor up a plan is to be there within {1000 * LIMIT_SECONDS:.0f} ms.",
        "",
        *_table(("while the worker is", "plans", "median, ms", "longest, ms"), shown),
    ]


def _downloads(figures: Figures) -> list[str]:
    tally = figures.downloads
    if tally is None:
        return []
    rows = [
        ("downloads with faults", f"{tally.runs} of {figures.of_downloads}"),
        ("of which had begun before", tally.begun),
        ("met their fault", tally.struck),
        ("came to the model in spite of it", tally.overcome),
        ("ended with a sentence", tally.refused),
        ("of which not clear, or more than one", len(tally.unclear)),
        ("wrong files accepted", len(tally.wrong_files)),
        ("hangs", len(tally.hangs)),
        ("not there after one more try without a fault", len(tally.not_retried)),
        ("transferred something good again", len(tally.transferred_again)),
        ("left something over", len(tally.left_over)),
        ("longest", f"{tally.longest_seconds:.1f} s"),
    ]
    return [
        "## Downloads",
        "",
        "One or two faults of chance from a local hub, of any kind, at any byte, of any file, for "
        "once, twice, three times or always, while one or several models are downloaded by "
        "the real download process with the installed `huggingface_hub`; four in ten go on with a "
        "file that had been begun, right or with a bit changed. Then the hub is well again, and "
        "the same download must succeed; that nothing good came again, the hub's own count of "
        "bytes says. A silent line was given up after 1 s here instead of 10 s.",
        "",
        *_table(("", "count"), rows),
        *_table(("fault", "downloads that met it"), sorted(tally.by_kind.items())),
    ]


def _download_kills(deaths: Sequence[DownloadDeaths]) -> list[str]:
    if not deaths:
        return []
    rows = [
        (
            one.victim,
            f"{one.runs} of {one.wanted}",
            one.struck,
            one.done_before,
            one.continued,
            len(one.wrong_files),
            len(one.not_resumed),
            len(one.unclear),
            len(one.orphans),
            f"{one.longest_seconds:.1f} s",
        )
        for one in deaths
    ]
    head = (
        *("killed", "runs", "struck alive", "done before", "had a part to go on with"),
        *("wrong files or parts", "not resumed to the byte", "unclear", "left over"),
        "longest next download",
    )
    return [
        "## Downloads killed at moments of chance",
        "",
        "A download through the real supervisor, and a SIGKILL of the download process, or of the "
        "supervisor, at a moment of chance between the request and the time that an undisturbed "
        "one takes: while the process starts, transfers, verifies, or tries the model. The next "
        "download must transfer exactly what was missing, by the hub's own count of bytes, and "
        "leave neither a file nor a process besides the model.",
        "",
        *_table(head, rows),
    ]


def _strangers(tally: Strangers | None) -> list[str]:
    if tally is None:
        return []
    crashed = ", ".join(f"{count} {how}" for how, count in sorted(tally.crashed.items())) or "none"
    ways = [
        ("mutants", f"{tally.mutants} of {COUNT}"),
        ("refused by inspection, opened by nothing", tally.refused),
        ("tried, and refused by onnxruntime or for what they gave", tally.unrunnable),
        ("trial processes that crashed", crashed),
        ("trials that took too long and were ended", tally.late),
        ("trials that wanted too much memory and were ended", tally.greedy),
        ("passed their trial, with the right hash", sum(tally.passed.values())),
    ]
    brought = [(way, count) for way, count in sorted(tally.examined.items())]
    wrong = [
        ("counted with a wrong hash, or without having passed", len(tally.counted)),
        ("opened in spite of a wrong hash", len(tally.opened)),
        ("read outside their folder", len(tally.outside)),
        ("errors that were no sentence", len(tally.mistakes)),
        ("worker or runner died", len(tally.worker_deaths)),
        ("plans asked of the worker meanwhile", tally.plans),
        ("longest of them", f"{1000 * tally.longest_plan_seconds:.0f} ms"),
        ("jobs of the worker with a mutant as the model", tally.jobs),
        ("of them really by the mutant, as labelled", tally.real_jobs),
        ("of them classical, since the runner stood still and was ended", tally.late_jobs),
    ]
    return [
        "## Models from strangers",
        "",
        "Good ONNX models, mutated. Each mutant lies in a model's place with a wrong hash first: "
        "it must not count, nothing may open it as a model, and the running worker must plan "
        "without it. Then it comes with the right hash, as a model of the user's own does: "
        "inspection, a trial in a throw-away process, and only what passes counts. And it is "
        "examined and added as `nss models add` does it, one in five that may be added being "
        f"replaced by another file in between; {tally.through_worker} go through the running "
        "worker. For speed most "
        f"trials are in a fork of a process that has imported onnxruntime, with the same limits; "
        f"{tally.real_processes} are in the product's own process. A trial had 6 s here, an "
        "examination 10 s, instead of ten minutes and more, and memory by the gibibyte.",
        "",
        *_table(("what came of them", "count"), ways),
        *_table(("brought as a model of one's own", "count"), brought),
        *_table(("what must not be, and what went on beside", "count"), wrong),
        f"What was read: inotify watched files, a pipe and a device that the mutants name, after "
        f"each of {tally.watched} of them, and would have told of any opening by any process. "
        f"fanotify told of every regular file that {tally.audited} trial processes opened: beside "
        "the model's folder only programs, libraries and what a trial of a good model opens too.",
        "",
        *_table(
            ("kind", "mutants", "passed"),
            [
                (kind, count, tally.passed.get(kind, 0))
                for kind, count in sorted(tally.by_kind.items())
            ],
        ),
    ]


def _messages(tally: Messages | None) -> list[str]:
    if tally is None:
        return []
    rows = [
        ("messages", f"{tally.messages} of {tally.wanted}"),
        ("requests to a real worker", tally.to_worker),
        ("of them understood and answered", tally.understood),
        ("of them refused with a sentence", tally.refused),
        ("of them jobs, and questions that start a process", tally.jobs + tally.chores),
        ("connections that broke the rules before the handshake", tally.handshakes),
        ("connections that did so after it", tally.frames),
        ("messages of a hostile worker to the client", tally.to_client),
        ("crashes", len(tally.crashes)),
        ("hangs", len(tally.hangs)),
        ("answers or errors that were no sentence", len(tally.mistakes)),
        ("memory, threads or files beyond their bound", len(tally.greedy)),
        ("opened or changed outside the folder", len(tally.outside)),
        (
            f"most memory of the worker's supervisor (bound {MEMORY_MB} MB)",
            f"{tally.most_memory_mb:.0f} MB",
        ),
        ("most threads and open files of it", f"{tally.most_threads}, {tally.most_files}"),
        ("growth of the client's process", f"{max(0.0, tally.client_growth_mb):.0f} MB"),
        ("longest wait for a batch of answers", f"{tally.longest_seconds:.1f} s"),
    ]
    return [
        "## Messages",
        "",
        "Malformed, adversarial and odd messages from a seeded generator: fields of any type and "
        "value, damaged texts, bombs of nesting, length and number, names that lead outside, "
        "frames that lie about their length or stop in the middle, wrong keys, peers that never "
        "read. The worker is a real one; the client meets a worker that has the key and "
        "sends whatever it likes. inotify watches files beside the worker's folder that the "
        "messages name, directly and by a link.",
        "",
        *_table(("", "count"), rows),
        *_table(("kind of request", "count"), sorted(tally.by_kind.items())),
        *_table(("what the client made of it", "count"), sorted(tally.outcomes.items())),
    ]


def _guided(tally: Guided | None) -> list[str]:
    if tally is None:
        return []
    rows = [
        ("bodies", f"{tally.bodies} of {tally.wanted}"),
        ("branches of the decoder that were reached", tally.branches),
        ("bodies kept, since they reached something new", tally.kept),
        ("other errors than a refusal, or messages that do not read back", len(tally.wrong)),
    ]
    return [
        "## Messages by coverage",
        "",
        "The decoder alone, with bodies that a fuzzer (atheris) changes further wherever one "
        "reaches something new.",
        "",
        *_table(("", "count"), rows),
    ]


def _soak(tally: Soaked | None) -> list[str]:
    if tally is None:
        return []
    events = {name: count for name, count in tally.events.items() if name != "nothing"}
    rows = [
        ("minutes", f"{tally.minutes:.0f}"),
        (f"jobs of {CLIENTS} clients", tally.jobs),
        ("results by the real path, as labelled", tally.real),
        ("results by the classical path, as labelled", tally.classical),
        ("of both, in other tiles than usual", tally.in_other_tiles),
        ("cancelled by the user", tally.cancelled),
        ("ended with the editor, as at its quit", tally.broken_off),
        ("clients killed", tally.clients_killed),
        ("“real only” refused, or the worker killed twice in a job", tally.refused),
        ("refused since a disk was full", tally.full),
        ("kills, faults and full disks", sum(events.values())),
        ("faults that a job met", tally.provoked),
        ("results in spite of a fault, which the receipt names", tally.survived),
        ("wrong labels", len(tally.wrong_labels)),
        ("no result without a reason", len(tally.missing)),
        ("lost or changed source pixels", len(tally.changed_sources)),
        ("half-done results", len(tally.half_done)),
        ("leaks (processes, files, memory)", len(tally.leaks)),
        ("hangs", len(tally.hangs)),
        ("longest job, hangs that were injected included", f"{tally.longest_seconds:.0f} s"),
        ("most memory of the supervisor", f"{tally.supervisor_mb:.0f} MB"),
        ("most memory of the runner", f"{tally.runner_mb:.0f} MB"),
        ("growth of the clients' process", f"{max(0.0, tally.growth_mb):.0f} MB"),
    ]
    return [
        "## Soak",
        "",
        f"{CLIENTS} clients in the way of the command line run all tools at once, by any path, "
        "while at moments of chance models fail, the runner and the supervisor are killed, disks "
        "fill up, users cancel, connections break off and clients are killed. Every result is held "
        "against an undisturbed run of the labelled path, bit by bit. At the end every tool "
        "must give its usual result by both paths, and no process or file may be left.",
        "",
        *_table(("", "count"), rows),
        *_table(("what was done", "count"), sorted(events.items())),
        *_table(("tool", "jobs"), sorted(tally.by_tool.items())),
    ]
