"""Where packages come from: the settings of pip and uv, found as pip finds them.

pip reads its own settings itself; this is for uv and for what is fetched without either.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..launch import scrubbed

PUBLIC = "https://pypi.org/simple"
_KEEP_PREFIXES = ("PIP_", "UV_")
_KEEP = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
# Where pip would install to is not for our environment.
_DROPPED = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON")


@dataclass(frozen=True)
class Index:
    """The addresses of package indexes, the first one first, and how to reach them.

    ``folders`` are looked into as well; ``online`` is false where only these may be used.
    """

    addresses: tuple[str, ...] = (PUBLIC,)
    folders: tuple[str, ...] = ()
    online: bool = True
    certificates: str = ""
    proxy: str = ""
    trusted: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """What users are told: the host of the first address."""
        return urlsplit(self.addresses[0]).hostname or self.addresses[0]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that are asked over a network."""
        asked = self.addresses if self.online else ()
        found = (urlsplit(address).hostname for address in asked)
        return tuple(dict.fromkeys(host for host in found if host))


def settings(
    environ: Mapping[str, str] | None = None,
    system: str = sys.platform,
    root: Path = Path("/"),
) -> Index:
    """uv's variables, else pip's variables, else pip's files, the later one of these overriding."""
    env = os.environ if environ is None else environ
    given = _from_files(env, system, root)
    for name, value in env.items():
        if name.startswith("PIP_") and value:
            given[name[4:].lower().replace("_", "-")] = value
    first = env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL") or given.get("index-url")
    more = env.get("UV_INDEX") or env.get("UV_EXTRA_INDEX_URL") or given.get("extra-index-url", "")
    # A named index of uv is NAME=ADDRESS.
    addresses = [_address(part) for part in ((first or PUBLIC).strip(), *more.split())]
    return Index(
        addresses=tuple(address.rstrip("/") for address in addresses),
        folders=tuple((env.get("UV_FIND_LINKS") or given.get("find-links", "")).split()),
        online=given.get("no-index", "").lower() not in ("1", "true", "yes", "on"),
        certificates=given.get("cert")
        or env.get("SSL_CERT_FILE")
        or env.get("REQUESTS_CA_BUNDLE", ""),
        proxy=given.get("proxy", ""),
        trusted=tuple(given.get("trusted-host", "").split()),
    )


def _address(word: str) -> str:
    name, equals, address = word.partition("=")
    return address if equals and "/" not in name else word


def _from_files(env: Mapping[str, str], system: str, root: Path) -> dict[str, str]:
    given: dict[str, str] = {}
    for file in _files(env, system, root):
        parser = configparser.RawConfigParser()
        with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
            parser.read(file, encoding="utf-8")
            for section in ("global", "install"):
                if parser.has_section(section):
                    given |= {k.replace("_", "-"): v for k, v in parser.items(section)}
    return given


def _files(env: Mapping[str, str], system: str, root: Path) -> list[Path]:
    """pip's configuration files, the weakest first."""
    chosen = env.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    if system == "win32":
        files = [Path(env.get("PROGRAMDATA", "C:/ProgramData")) / "pip/pip.ini"]
        files += [home / "pip/pip.ini"]
        files += [Path(env["APPDATA"]) / "pip/pip.ini"] if env.get("APPDATA") else []
    elif system == "darwin":
        files = [root / "Library/Application Support/pip/pip.conf", home / ".pip/pip.conf"]
        files += [home / ".config/pip/pip.conf", home / "Library/Application Support/pip/pip.conf"]
    else:
        shared = (env.get("XDG_CONFIG_DIRS") or str(root / "etc/xdg")).split(os.pathsep)
        files = [Path(folder) / "pip/pip.conf" for folder in reversed(shared) if folder]
        config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
        files += [root / "etc/pip.conf", home / ".pip/pip.conf", config / "pip/pip.conf"]
    return files + ([Path(chosen)] if chosen else [])


def environment(index: Index, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of pip and of uv: the user's settings for both, nothing of the editor's."""
    env = os.environ if environ is None else environ
    kept = scrubbed(env)
    for name, value in env.items():
        if name.startswith(_KEEP_PREFIXES) or name in _KEEP or name.lower().endswith("_proxy"):
            kept[name] = value
    for name in _DROPPED:
        kept.pop(name, None)
    kept |= {
        "PIP_USER": "0",
        "PIP_NO_INPUT": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_PROGRESS_BAR": "off",
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
    }
    if index.certificates:
        kept.setdefault("SSL_CERT_FILE", index.certificates)
    else:
        # As pip does: the certificates that this machine trusts.
        kept.setdefault("UV_SYSTEM_CERTS", "1")
    if index.proxy:
        kept.setdefault("HTTPS_PROXY", index.proxy)
        kept.setdefault("HTTP_PROXY", index.proxy)
    return kept


def uv_options(index: Index) -> list[str]:
    """pip's settings as uv's options; what uv is told in its own way stays as it is."""
    if not index.online:
        return ["--no-index", *_each("--find-links", index.folders)]
    first, *more = index.addresses
    options = ["--default-index", first] if first != PUBLIC else []
    # As pip does: any of them may have the version that is wanted, and its hash is known.
    options += ["--index-strategy", "unsafe-best-match"] if more else []
    options += _each("--index", more)
    options += _each("--find-links", index.folders)
    return options + _each("--allow-insecure-host", index.trusted)


def _each(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
