# SPDX-License-Identifier: Apache-2.0
"""make ARCH=arm64, as far as it can be seen without its compiler: what would be run."""

import os
import re
import subprocess

from tests.gateway.local import ROOT

COMPILER = "aarch64-linux-gnu-gcc --sysroot="
HERE = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True,
                      text=True).stdout.strip()


def would_run(*arguments):
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("MAKE") and name not in ("CC", "AR", "LD")}
    done = subprocess.run(["make", "-n", "-B", "V=1", "-C", ROOT, *arguments], env=environment,
                          text=True, capture_output=True, check=False)
    return done.returncode, done.stdout.replace("\\\n", " ").splitlines(), done.stderr


def test_all_but_the_filters_compiler_is_for_the_target():
    code, lines, _ = would_run("ARCH=arm64", "HOSTCC=the-host-cc")
    assert code == 0
    tools = [line for line in lines if re.search(r"( -c \S+\.c)? -o build/|^\S*(ar|objcopy) ", line)]
    assert len(tools) > 100
    if HERE == "arm64":
        assert not [line for line in tools if COMPILER in line]
        return
    mine, = [line for line in tools if line.startswith("the-host-cc ")]
    assert "-o build/arm64/sandbox-compile" in mine
    names = {line.split()[0] for line in tools if line != mine}
    assert names == {f"aarch64-linux-gnu-{tool}" for tool in ("gcc", "ar", "ld", "objcopy")}
    assert all(line.startswith(COMPILER) for line in tools if "-gcc " in line)
    assert "build/arm64/sandbox-compile tallyd aarch64 >build/arm64/sandbox_filter.c.new" in "\n".join(lines)
    # Nothing of the machine's own build is touched.
    assert not [line for line in lines if re.search(r"-o build/(?!arm64/)", line)]


def test_the_machines_own_architecture_is_no_cross_build():
    code, lines, _ = would_run(f"ARCH={HERE}")
    assert code == 0 and not [line for line in lines if "--sysroot=" in line]
    assert [line for line in lines if "-o build/tallyd" in line]


def test_an_unknown_architecture_is_refused():
    code, _, said = would_run("ARCH=vax")
    assert code == 2 and "not 'vax'" in said
