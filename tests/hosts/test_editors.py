"""Do the test editors keep their promises: nothing left mounted or running, no root lost?"""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import time
import zipfile
from pathlib import Path

import editors
import pytest
import roots
import worker_venv


@pytest.fixture(scope="module")
def editor() -> editors.Editor:
    found = editors.built("debian13")
    if found is None:
        pytest.skip("the test editor debian13 is not built (editors.py build debian13)")
    try:
        roots.require_root()
    except roots.RootError as why:
        pytest.skip(str(why))
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", "# deb http://no/\ndeb [trusted=yes] http://mirror.test/debian x main\n"),
        ("sources.list", "deb http://mirror.test/debian bookworm main\n"),
        (
            "sources.list.d/debian.sources",
            "Types: deb\nURIs: http://mirror.test/debian http://b/\n",
        ),
    ],
)
def test_the_mirror_is_the_machines_own(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/another.list").write_text("deb http://another.test/ x main\n")
    (tmp_path / name).write_text(text)
    assert editors.machine_mirror(tmp_path) == "http://mirror.test/debian"


def test_a_machine_without_mirror_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(roots.RootError, match="names no Debian archive"):
        editors.machine_mirror(tmp_path)


def test_a_wheel_and_a_checkout_declare_their_requirements(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            "a-1.dist-info/METADATA",
            "Name: a\nRequires-Dist: numpy>=2\nRequires-Dist: tifffile; python_version > '3'\n"
            "Requires-Dist: onnx; extra == 'test'\n\nText\n",
        )
    (tmp_path / "pyproject.toml").write_text('[project]\nname="a"\ndependencies=["numpy"]\n')
    assert worker_venv.requirements(tmp_path / "a-1-py3-none-any.whl") == [
        "numpy>=2",
        "tifffile; python_version > '3'",
    ]
    assert worker_venv.requirements(tmp_path) == ["numpy"]


def test_a_half_built_root_is_no_editor(tmp_path: Path) -> None:
    (tmp_path / "debian13").mkdir()
    assert editors.built("debian13", tmp_path) is None
    (tmp_path / "debian13" / editors.STAMP).write_text('{"recipe": "older", "versions": {}}')
    assert editors.built("debian13", tmp_path) is None


@pytest.mark.hosts
def test_nothing_mounted_is_deleted(editor: editors.Editor, tmp_path: Path) -> None:
    """In a namespace of its own, so that the mount cannot outlive this test."""
    folder = tmp_path / "ro ot"
    (folder / "in").mkdir(parents=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    code = "import sys, pathlib, roots; roots.remove_tree(pathlib.Path(sys.argv[1]))"
    script = 'mount --bind "$1/kept" "$1/ro ot/in" && exec python3 -c "$2" "$1/ro ot"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), code],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(roots.__file__).parent,
    )
    assert done.returncode == 1
    assert "mounted beneath it" in done.stderr
    assert (tmp_path / "kept" / "file").exists()
    roots.remove_tree(folder)
    assert not folder.exists()


@pytest.mark.hosts
def test_what_a_command_gets_and_leaves(editor: editors.Editor, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "é file").write_text("picture")
    profile = editor.profile(tmp_path / "user")
    done = editor.run(
        ["sh", "-c", 'cp "/in/é file" /out/ && echo "$HOME $A" && touch /in/b; touch "$TMPDIR/c"'],
        profile=profile,
        readonly={tmp_path / "in": "/in"},
        binds={tmp_path / "out": "/out"},
        env={"A": "b c"},
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (0, "/home/nss b c\n")
    assert "Read-only file system" in done.stderr
    assert (tmp_path / "out" / "é file").read_text() == "picture"
    assert (profile.tmp / "c").exists()
    assert not (tmp_path / "in" / "b").exists()
    assert roots.mounts_beneath(editor.root.folder) == []


@pytest.mark.hosts
@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -SEGV $$", 139)])
def test_the_exit_status_is_the_commands_own(
    editor: editors.Editor, script: str, status: int
) -> None:
    assert editor.run(["sh", "-c", script], timeout=30).returncode == status


@pytest.mark.hosts
def test_a_path_that_leads_out_of_the_root_is_refused(editor: editors.Editor) -> None:
    for inside in ("/var/run/x", "relative", "/a/../../b"):
        with pytest.raises(roots.RootError):
            editor.run(["true"], binds={Path("/tmp"): inside}, timeout=30)


@pytest.mark.hosts
def test_a_root_in_use_is_kept(editor: editors.Editor, tmp_path: Path) -> None:
    root = roots.Root(editor.root.folder, tmp_path, tmp_path / "lock")
    with (tmp_path / "lock").open("a") as lock:
        with (
            root.start(["sleep", "30"], profile=editor.profile(tmp_path)),
            pytest.raises(BlockingIOError),
        ):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(0.05)
    pytest.fail("the root stayed locked although its command had ended")


@pytest.mark.hosts
@pytest.mark.parametrize("limit", [1, 30])
def test_detached_processes_end_with_the_command(
    editor: editors.Editor, tmp_path: Path, limit: int
) -> None:
    profile = editor.profile(tmp_path)
    script = "setsid sh -c 'while true; do date +%N > /tmp/alive; sleep 0.05; done' & sleep "
    argv = ["sh", "-c", script + ("30" if limit == 1 else "0.5")]
    if limit == 1:
        with pytest.raises(subprocess.TimeoutExpired):
            editor.run(argv, profile=profile, timeout=limit)
    else:
        assert editor.run(argv, profile=profile, timeout=limit).returncode == 0
    left = (profile.tmp / "alive").read_text()
    time.sleep(0.3)
    assert (profile.tmp / "alive").read_text() == left


@pytest.mark.hosts
def test_two_displays_at_once_and_a_picture(editor: editors.Editor, tmp_path: Path) -> None:
    first, second = (editor.profile(tmp_path / name) for name in "ab")
    with (
        editor.on_display(["xeyes"], profile=first) as one,
        editor.on_display(["xclock"], profile=second) as two,
    ):
        assert one.environment["DISPLAY"] != two.environment["DISPLAY"]
        found = one.also(["xdotool", "search", "--sync", "--onlyvisible", "--name", "xeyes"])
        assert found.stdout.strip().isdigit()
        assert two.also(["xdotool", "search", "--name", "xeyes"]).stdout == ""
        picture = one.screenshot(tmp_path / "eyes.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(picture[16:20], "big") == 1600
    with pytest.raises(roots.RootError, match="Nothing runs"):
        one.also(["true"])


@pytest.mark.hosts
def test_a_killed_display_does_not_hinder_the_next(editor: editors.Editor, tmp_path: Path) -> None:
    profile = editor.profile(tmp_path)
    for _ in range(2):
        with editor.on_display(["sleep", "60"], profile=profile) as inside:
            assert inside.also(["xdotool", "getdisplaygeometry"]).stdout == "1600 1000\n"
