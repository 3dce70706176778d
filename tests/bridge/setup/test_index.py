"""Are packages looked for where pip and uv are told to look?"""

from __future__ import annotations

from pathlib import Path

from shared_core.bridge.setup import index


def settings(tmp_path: Path, system: str = "linux", **environ: str) -> index.Index:
    return index.settings({"HOME": str(tmp_path / "home"), **environ}, system, tmp_path)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_without_settings_it_is_the_public_index(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found == index.Index() and found.host == "pypi.org"
    assert index.uv_options(found) == []


def test_files_variables_and_uv_in_this_order(tmp_path: Path) -> None:
    write(
        tmp_path / "etc/pip.conf",
        "[global]\nindex-url = https://a/simple/\nextra-index-url = https://x/1\n  https://x/2\n"
        "cert = /ca.pem\n",
    )
    found = settings(tmp_path)
    assert found.addresses == ("https://a/simple", "https://x/1", "https://x/2")
    assert found.certificates == "/ca.pem"
    write(tmp_path / "home/.config/pip/pip.conf", "[install]\nindex-url = https://b/simple\n")
    assert settings(tmp_path).addresses[0] == "https://b/simple"
    write(tmp_path / "chosen.conf", "[global]\nindex_url = https://c/simple\n")
    chosen = {"PIP_CONFIG_FILE": str(tmp_path / "chosen.conf")}
    assert settings(tmp_path, **chosen).addresses[0] == "https://c/simple"
    chosen["PIP_INDEX_URL"] = "https://user:pass@d:8443/simple"
    found = settings(tmp_path, **chosen)
    assert found.addresses[0] == "https://user:pass@d:8443/simple" and found.host == "d"
    chosen["UV_DEFAULT_INDEX"] = "mine=https://e/simple"
    assert settings(tmp_path, **chosen).addresses[0] == "https://e/simple"
    assert settings(tmp_path, PIP_CONFIG_FILE="/dev/null") == index.Index()


def test_damaged_settings_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "etc/pip.conf", "index-url = https://no-section/\n")
    assert settings(tmp_path) == index.Index()


def test_windows_and_macos(tmp_path: Path) -> None:
    text = "[global]\nindex-url = https://{}/simple\n"
    write(tmp_path / "Roaming/pip/pip.ini", text.format("windows"))
    found = settings(tmp_path, "win32", APPDATA=str(tmp_path / "Roaming"))
    assert found.host == "windows"
    write(tmp_path / "home/Library/Application Support/pip/pip.conf", text.format("mac"))
    assert settings(tmp_path, "darwin").host == "mac"


def test_uv_is_told_what_pip_knows(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        PIP_INDEX_URL="https://a/simple",
        PIP_EXTRA_INDEX_URL="https://b/simple https://c/simple",
        PIP_FIND_LINKS="/wheels",
        PIP_TRUSTED_HOST="a",
    )
    assert " ".join(index.uv_options(found)) == (
        "--default-index https://a/simple --index-strategy unsafe-best-match "
        "--index https://b/simple --index https://c/simple --find-links /wheels "
        "--allow-insecure-host a"
    )
    offline = settings(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS="/wheels")
    assert index.uv_options(offline) == ["--no-index", "--find-links", "/wheels"]


def test_the_installers_get_the_users_settings_and_nothing_of_the_editors() -> None:
    given = {
        "PATH": "/usr/bin",
        "HOME": "/home/me",
        "PYTHONPATH": "/krita",
        "LD_LIBRARY_PATH": "/krita/lib",
        "QT_QPA_PLATFORM": "xcb",
        "PIP_INDEX_URL": "https://a/simple",
        "PIP_TARGET": "/elsewhere",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "UV_NATIVE_TLS": "1",
        "https_proxy": "http://proxy:3128",
    }
    made = index.environment(index.settings(given), given)
    kept = {"PATH", "HOME", "PIP_INDEX_URL", "UV_NATIVE_TLS", "https_proxy"}
    assert kept <= set(made)
    assert not {"PYTHONPATH", "LD_LIBRARY_PATH", "QT_QPA_PLATFORM", "PIP_TARGET"} & set(made)
    assert "PIP_REQUIRE_VIRTUALENV" not in made
    # No cache is left behind, and an editor's user site is none of ours.
    assert made["PIP_NO_CACHE_DIR"] == "1" and made["PIP_USER"] == "0"


def test_certificates_and_proxy_of_pip_serve_uv_too(tmp_path: Path) -> None:
    write(tmp_path / "etc/pip.conf", "[global]\ncert = /ca.pem\nproxy = http://p:1\n")
    made = index.environment(settings(tmp_path), {"HOME": "/home/me"})
    assert made["SSL_CERT_FILE"] == "/ca.pem" and made["HTTPS_PROXY"] == "http://p:1"
    assert "UV_SYSTEM_CERTS" not in made
    assert index.environment(index.Index(), {})["UV_SYSTEM_CERTS"] == "1"
