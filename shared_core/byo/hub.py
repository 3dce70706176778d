"""``python -m shared_core.byo.hub``: asks the Hub about files of a model, or brings them here.

A child process like ``catalog.fetch``, whose manners it has. Its one argument is a JSON object:
``repo``, ``revision``, ``files``, and for fetching ``model``, the id of the folder they go to.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from shared_core.bridge.errors import BadInput, CouldNotBeDone
from shared_core.bridge.language import _
from shared_core.bridge.paths import paths
from shared_core.catalog import errand
from shared_core.catalog.card import CardFile
from shared_core.catalog.errand import Errand
from shared_core.catalog.store import Store
from shared_core.catalog.transfer.hub import ask_hub
from shared_core.catalog.trust.external_data import outlandish

from .card import Origin, bare_card

_REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_REVISION = re.compile(r"[0-9a-f]{40}")


def offered(repo: str, revision: str, files: Sequence[str]) -> tuple[list[CardFile], str]:
    """The files with their sizes and the hub's own SHA-256, and the licence that it declares.

    Data named after the first file comes along. Raises ``BadInput`` for what is no repository,
    revision or model file, ``CouldNotBeDone`` where the Hub has no such thing or cannot be asked.
    """
    _check(repo, revision, files)
    info = ask_hub(
        f"{repo} at revision {revision}",
        lambda hub: hub.HfApi().model_info(
            repo,
            revision=revision,
            files_metadata=True,
            timeout=hub.constants.HF_HUB_DOWNLOAD_TIMEOUT,
        ),
    )
    if info.sha != revision:
        raise CouldNotBeDone(
            _(
                "The hub offers {repo} at revision {sha} where {revision} was asked for. Check "
                "HF_ENDPOINT.",
                repo=repo,
                sha=info.sha,
                revision=revision,
            )
        )
    there = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    wanted = list(dict.fromkeys(files))
    wanted += sorted(
        name
        for name in there
        if name.startswith(files[0]) and name not in wanted and not name.endswith(".onnx")
    )
    found = []
    for name in wanted:
        if name not in there:
            near = ", ".join(n for n in there if n.endswith(".onnx"))[:500] or _("no .onnx file")
            raise BadInput(
                _(
                    "{repo} has no {name} at this revision; it has {near}.",
                    repo=repo,
                    name=name,
                    near=near,
                )
            )
        found.append(_file(repo, name, there[name]))
    licence = getattr(info.card_data, "license", None) if info.card_data else None
    return found, licence if isinstance(licence, str) else ""


def _check(repo: str, revision: str, files: Sequence[str]) -> None:
    if not _REPO.fullmatch(repo):
        raise BadInput(_("{repo} is no repository: give owner/name.", repo=repr(repo)))
    if not _REVISION.fullmatch(revision):
        raise BadInput(
            _(
                "--revision takes the 40 hexadecimal digits of a commit of the repository, so that "
                "what comes is what was looked at; its page on the Hub names them under History."
            )
        )
    if not files or not files[0].endswith(".onnx"):
        raise BadInput(_("Name the .onnx file in the repository with --file."))
    for name in files:
        if (fault := outlandish(name)) is not None:
            raise BadInput(
                _(
                    "Name a file of the repository, not {name}: {fault}.",
                    name=repr(name),
                    fault=fault,
                )
            )


def _file(repo: str, name: str, sibling: Any) -> CardFile:
    if sibling.lfs is None:
        raise CouldNotBeDone(
            _(
                "The hub declares no SHA-256 for {name} in {repo}, so it could not be "
                "verified. Download it in another way and add the file.",
                name=name,
                repo=repo,
            )
        )
    return CardFile(name, int(sibling.lfs.size), str(sibling.lfs.sha256))


def main() -> int:
    """Carry out the request in the first argument."""
    asked = json.loads(sys.argv[1])

    def work(on: Errand) -> Mapping[str, object]:
        files, licence = offered(asked["repo"], asked["revision"], asked["files"])
        reply: dict[str, object] = {
            "files": [file.path for file in files],
            "size": sum(file.size for file in files),
            "licence": licence,
        }
        if "model" not in asked:
            return reply
        origin = Origin(
            asked["model"], 1, PurePosixPath(files[0].path).name, asked["repo"], asked["revision"]
        )
        card = bare_card("denoise", origin, files)
        store = Store(paths())
        store.download([card], on.progress, on.cancelled, on.stage)
        return {**reply, "file": str(store.folder(card) / files[0].path)}

    return errand.run(
        work, _("{repo} cannot be fetched", repo=asked["repo"]), _("The download was cancelled.")
    )


if __name__ == "__main__":
    sys.exit(main())
