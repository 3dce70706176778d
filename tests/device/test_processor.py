"""The processor and the memory, read here and from other systems' words."""

from __future__ import annotations

import os

import psutil

from shared_core.device.processor import parse_cpuinfo, parse_sysctl, read_cpu, read_memory

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz
flags\t\t: fpu sse sse2 sse4_1 sse4_2 fma f16c avx avx2 ht
bugs\t\t: spectre_v1
"""
ARM_CPUINFO = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes crc32 atomics asimddp
CPU implementer\t: 0x41
"""
SYSCTL = """machdep.cpu.brand_string: Apple M2
hw.optional.neon: 1
hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_I8MM: 0
"""


def test_linux_words() -> None:
    name, sets = parse_cpuinfo(CPUINFO)
    assert name == "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz"
    assert sets == ("SSE4.2", "AVX", "AVX2", "FMA", "F16C")
    assert parse_cpuinfo(ARM_CPUINFO) == ("", ("NEON", "NEON-DOTPROD"))
    assert parse_cpuinfo("") == ("", ())


def test_macos_words() -> None:
    assert parse_sysctl(SYSCTL) == ("Apple M2", ("NEON", "NEON-DOTPROD"))
    assert parse_sysctl("") == ("", ())


def test_this_processor() -> None:
    cpu = read_cpu()
    assert cpu.name
    assert 1 <= cpu.cores_usable <= (os.cpu_count() or 1)
    assert cpu.cores_physical >= 1
    assert cpu.gflops == {}
    assert cpu.instruction_sets


def test_fewer_cores_when_this_process_may_use_fewer() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert read_cpu().cores_usable == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_this_memory() -> None:
    memory = read_memory()
    assert 0 < memory.free_bytes < memory.total_bytes <= psutil.virtual_memory().total
