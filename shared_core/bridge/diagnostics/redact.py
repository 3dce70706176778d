"""Takes out of a text what is nobody's business: who the user is, paths, names of pictures.

What cannot be told from such a thing goes too: a report that says less is better than one that
tells on its writer.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..toolbox import OWN

_NAMELESS = ("root", "user", "localhost")
_SHORTEST_NAME = 2
_LONGEST_LINE = 500
_ENDINGS = (
    "png|jpe?g|tiff?|webp|bmp|gif|svg|pdf|psd|psb|kra|krz|ora|xcf|exr|hdr|avif|heic|heif|jxl|jp2|"
    "tga|dds|raw|cr2|cr3|nef|arw|dng|orf|rw2|onnx|safetensors|pth|zip"
)
_QUOTES = "\"'“”‘’«»`"
# Where a path begins: not inside a word, a fraction or a unit.
_BEGIN = r"(?<![\w<>)/\\])(?:~|[A-Za-z]:|file:/?/?)?"
# A blank belongs to it where what follows still has a separator, as in /home/ann/My Pictures/x.
_STEP = rf"(?:[^\s{_QUOTES}<>|*?]|[ ](?=[^\s{_QUOTES}<>|]*[\\/][^\s]))"
_PATH = re.compile(rf"{_BEGIN}(?:\\\\|[\\/])(?=[^\s\\/]){_STEP}*")
_QUOTED = re.compile(rf"([{_QUOTES}])((?:~|[A-Za-z]:|file:/?/?)?[\\/][^{_QUOTES}\n]*)([{_QUOTES}])")
_FRAME = re.compile(r'File "([^"\n]*)"')
_KNOWN_PLACES = re.compile(
    r".*[\\/](?:site-packages|dist-packages|lib[\\/]python3\.\d+|plug-ins|pykrita)[\\/](.+)"
    r"|.*[\\/]((?:shared_core|nss_krita|gimp_plugin)[\\/].+)"
)
_PARTS_OF_OURS = re.compile(r"[\w.\\/-]+")
_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*)://(?:[^\s/@]*@)?([\w.-]+|\[[0-9a-f:]+\])[^\s\"'<>]*")
_FILE = re.compile(rf"[^\n{_QUOTES}():,;<>|=\[\]{{}}]*\.(?:{_ENDINGS})\b", re.IGNORECASE)
_TOKEN = re.compile(r"\bhf_\w{8,}")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
# Whatever stands in these quotes in a message of ours is a layer's or a picture's name.
_NAMED = re.compile(r"“[^”\n]*”")
_OWN_MODEL = re.compile(rf"\b{re.escape(OWN)}(?!py\b)[a-z0-9][a-z0-9.-]*")
OWN_MODEL = "<own model>"


def redacted(
    text: str, hidden: Iterable[str] = (), environ: Mapping[str, str] | None = None
) -> str:
    """The text without user name, computer's name, paths, file names, addresses and tokens.

    ``hidden`` are further names that must not stay, such as those of open pictures and layers;
    a file's name counts without its ending too. Of a program's own files, which tracebacks name,
    the part below the library's folder stays; of an address the host.
    """
    env = os.environ if environ is None else environ
    names = _whole_words(_stems(hidden), re.IGNORECASE)
    people = _whole_words(_user(env))
    computer = _whole_words([platform.node(), platform.node().partition(".")[0]])
    homes = [str(Path.home()), env.get("HOME", ""), env.get("USERPROFILE", "")]
    folders = _longest_first(one for one in homes if len(one) > 1)
    lines = []
    for line in text.splitlines():
        short = line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " …"
        lines.append(_line(short, folders, names, people, computer))
    return "\n".join(lines)


def _line(
    line: str,
    folders: list[str],
    names: re.Pattern[str] | None,
    people: re.Pattern[str] | None,
    computer: re.Pattern[str] | None,
) -> str:
    for folder in folders:
        # It may hold blanks.
        line = line.replace(folder, "~")
    if names:
        line = names.sub("<name>", line)
    line = _NAMED.sub("“…”", line)
    line = _FRAME.sub(lambda found: f'File "{_tail(found[1])}"', line)
    line = _ADDRESS.sub(_host, line)
    line = _QUOTED.sub(r"\1<path>\3", line)
    line = _PATH.sub("<path>", line)
    line = _TOKEN.sub("<token>", line)
    line = _MAIL.sub("<mail>", line)
    line = _OWN_MODEL.sub(OWN_MODEL, line)
    line = _FILE.sub(lambda found: f"{_blanks(found[0])}<file>", line)
    if people:
        line = people.sub("<user>", line)
    return computer.sub("<computer>", line) if computer else line


def _blanks(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def _host(found: re.Match[str]) -> str:
    if found[1] == "file":
        return "<path>"
    return f"{found[1]}://{found[2]}"


def _tail(path: str) -> str:
    """What a frame of a traceback may say of its file: the part below a library's folder."""
    found = _KNOWN_PLACES.fullmatch(path)
    tail = next(filter(None, found.groups()), "") if found else ""
    return tail.replace("\\", "/") if _PARTS_OF_OURS.fullmatch(tail) else "<path>"


def _stems(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        yield name
        yield name.rpartition(".")[0]


def _user(env: Mapping[str, str]) -> Iterable[str]:
    for name in ("USER", "LOGNAME", "USERNAME"):
        yield env.get(name, "")
    yield Path.home().name
    try:
        import pwd

        account = pwd.getpwuid(os.getuid())
    except (ImportError, KeyError, OSError):
        return
    yield account.pw_name
    yield account.pw_gecos.partition(",")[0]


def _whole_words(names: Iterable[str], flags: int = 0) -> re.Pattern[str] | None:
    words = {name.strip() for name in names}
    kept = [word for word in words if len(word) >= _SHORTEST_NAME and word not in _NAMELESS]
    if not kept:
        return None
    any_of = "|".join(re.escape(word) for word in _longest_first(kept))
    return re.compile(rf"(?<!\w)(?:{any_of})(?!\w)", flags)


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts), key=len, reverse=True)
