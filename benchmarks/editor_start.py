"""What the plug-in adds to the start of the real Krita and GIMP of a test root.

``python benchmarks/run.py --only editor_start``; the root is debian13 or what NSS_TEST_EDITOR
names, and is built first where it is missing (see tests/hosts). A second plug-in imports ours
inside Krita and times it with all that Krita calls while it starts; with GIMP the runs of the
plug-in are counted.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "hosts"))

import plugged  # noqa: E402
from editors import Editor, ensure  # noqa: E402
from report import Aim, Section, Table  # noqa: E402

STARTS = 5
AIM_MS = 50.0
_TIMER = """
import json, time
from pathlib import Path
began, used = time.perf_counter(), time.thread_time()
import nss_krita
spent = {"import": [time.perf_counter() - began, time.thread_time() - used]}
from nss_krita import dock, extension
from krita import Extension, Krita
def timed(cls, name, key):
    inner = getattr(cls, name)
    def outer(*arguments):
        began, used = time.perf_counter(), time.thread_time()
        result = inner(*arguments)
        spent[key] = [time.perf_counter() - began, time.thread_time() - used]
        Path("/tmp/spent.json").write_text(json.dumps(spent))
        return result
    setattr(cls, name, outer)
timed(extension.NssExtension, "setup", "set up")
timed(extension.NssExtension, "createActions", "menu entries")
timed(dock.NssDock, "__init__", "panel's frame")
class Quit(Extension):
    def setup(self):
        pass
    def createActions(self, window):
        from nss_krita.qt import QtCore
        QtCore.QTimer.singleShot(3000, lambda: __import__("os")._exit(0))
Krita.instance().addExtension(Quit(Krita.instance()))
"""
_DESKTOP = """[Desktop Entry]
Type=Service
ServiceTypes=Krita/PythonPlugin
X-KDE-Library=nss_timer
X-Python-2-Compatible=false
Name=Timer
Comment=Times NSS.
"""
_COUNT = "with open('/tmp/nss-runs', 'a') as runs:\n    runs.write('run')\n"


def krita(editor: Editor, folder: Path) -> Section:
    """Milliseconds of each part, on the first start and on those after it."""
    profile = editor.profile(folder / "krita")
    plug_ins = editor.krita_plug_ins(profile, enable=["nss_timer"])
    settings = profile.home / ".config" / "kritarc"
    plugged.into_krita(folder / "dist/nss_krita.zip", plug_ins.parent, settings, folder / "nss")
    # Krita imports it after the timer, and finds it imported.
    settings.write_text("[python]\nenable_nss_timer=true\n", "utf-8")
    (plug_ins / "nss_timer").mkdir()
    (plug_ins / "nss_timer" / "__init__.py").write_text(_TIMER, "utf-8")
    (plug_ins / "nss_timer.desktop").write_text(_DESKTOP, "utf-8")
    starts = []
    for _ in range(STARTS + 1):
        editor.xvfb(["krita", "--nosplash"], profile=profile, timeout=300)
        starts.append(json.loads((profile.tmp / "spent.json").read_text("utf-8")))
    first, later = starts[0], starts[1:]
    rows = []
    for part in first:
        walls = [1e3 * start[part][0] for start in later]
        used = [1e3 * start[part][1] for start in later]
        rows.append(
            (
                part,
                f"{1e3 * first[part][0]:.0f}",
                f"{statistics.median(walls):.1f}",
                f"{max(walls):.1f}",
                f"{statistics.median(used):.1f}",
            )
        )
    totals = [1e3 * sum(wall for wall, _ in start.values()) for start in later]
    median = statistics.median(totals)
    heads = ("milliseconds", "first start", "later, median", "largest", "processor, median")
    return Section(
        f"Start of Krita {editor.versions['krita']} with the plug-in",
        f"What the plug-in takes on Krita's own thread: on the first start, which compiles it, and "
        f"on {STARTS} later ones; *processor* leaves out what other programs took meanwhile.",
        [Table("Parts of a start", heads, rows)],
        [
            Aim(
                "what the plug-in adds to Krita's start, all parts together",
                f"under {AIM_MS:.0f} ms",
                f"{median:.1f} ms, median of {STARTS} starts",
                median < AIM_MS,
            )
        ],
    )


def gimp(editor: Editor, folder: Path) -> Section:
    """How often GIMP runs the plug-in when it starts: once to ask it, then never."""
    profile = editor.profile(folder / "gimp")
    config = editor.gimp_plug_ins(profile).parent
    plugged.into_gimp(folder / "dist/nss_gimp.zip", config, folder / "nss")
    main = config / "plug-ins/nss/nss.py"
    text = main.read_text("utf-8")
    marker = "from __future__ import annotations\n"
    main.write_text(text.replace(marker, marker + _COUNT, 1), "utf-8")
    script = ["--batch-interpreter=python-fu-eval", "-b", "print('started')", "--quit"]
    runs = []
    for _ in range(3):
        editor.run([editor.gimp_console, "-i", *script], profile=profile, timeout=300)
        file = profile.tmp / "nss-runs"
        runs.append(len(file.read_text("utf-8").split("run")) - 1 if file.exists() else 0)
        file.unlink(missing_ok=True)
    rows = [(f"start {number}", str(count)) for number, count in enumerate(runs, 1)]
    return Section(
        f"Start of GIMP {editor.versions['gimp']} with the plug-in",
        "GIMP asks a plug-in once what it offers and keeps the answer until its main file changes.",
        [Table("Runs of the plug-in", ("start", "runs"), rows)],
        [
            Aim(
                "what the plug-in adds to GIMP's start",
                "nothing but the query on the first",
                f"runs at three starts: {', '.join(map(str, runs))}",
                runs == [1, 0, 0],
            )
        ],
    )


def measure(full: bool) -> list[Section]:
    """The sections of both editors."""
    editor = ensure(os.environ.get("NSS_TEST_EDITOR", "debian13"))
    folder = Path(tempfile.mkdtemp(prefix="editor-start-"))
    try:
        plugged.build(folder / "dist")
        return [krita(editor, folder), gimp(editor, folder)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
