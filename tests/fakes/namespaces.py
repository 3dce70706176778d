"""Network namespaces: a command with no network at all, and what the kernel counted in one."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def unshared() -> tuple[list[str], str]:
    """What to put before a command for a network of its own without any route; else why not."""
    program = shutil.which("unshare")
    if program is None:
        return [], "there is no unshare here, which makes network namespaces (Linux)"
    prefix = [program, "-n"] if os.geteuid() == 0 else [program, "-r", "-n"]
    done = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        return [], f"network namespaces are not permitted here ({done.stderr.strip()})"
    return prefix, ""


def loopback_up() -> None:
    """Switch on 127.0.0.1 in this process' namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))


def counted(pid: int | str = "self") -> dict[str, int]:
    """What the kernel counted in a process' namespace, whoever asked for it and in any language.

    ``opened``: TCP connections that were begun; ``datagrams``: sent by UDP, as names are asked for;
    ``astray``: anything for which there was no route.
    """
    found: dict[str, int] = {}
    lines = Path(f"/proc/{pid}/net/snmp").read_text("ascii").splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        kind = names.partition(":")[0]
        numbers = map(int, values.split()[1:])
        found |= {f"{kind}.{n}": v for n, v in zip(names.split()[1:], numbers, strict=True)}
    # There, as names and values in lines of their own.
    more = Path(f"/proc/{pid}/net/snmp6")
    six = (
        dict(line.split() for line in more.read_text("ascii").splitlines()) if more.exists() else {}
    )
    return {
        "opened": found["Tcp.ActiveOpens"],
        "datagrams": found["Udp.OutDatagrams"] + int(six.get("Udp6OutDatagrams", 0)),
        "astray": found["Ip.OutNoRoutes"] + int(six.get("Ip6OutNoRoutes", 0)),
    }


def interfaces(pid: int | str) -> Sequence[str]:
    """The network interfaces in a process' namespace."""
    lines = Path(f"/proc/{pid}/net/dev").read_text("ascii").splitlines()[2:]
    return [line.partition(":")[0].strip() for line in lines]
