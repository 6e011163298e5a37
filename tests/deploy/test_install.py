# SPDX-License-Identifier: Apache-2.0
"""make install and make uninstall."""

import os
import subprocess

import pytest

from tests.gateway.local import ROOT
from tests.integration.agent import BUILD

from .conftest import files, make

PROGRAM = """
#include <stdio.h>
#include <tally.h>
int main(void)
{
    struct tally *tally;
    int r = tally_open(&tally, "/nonexistent/tally.sock");
    if (r == 0)
        r = tally_ping(tally);
    printf("%s %s\\n", tally_version(), tally_error_name(r));
    tally_close(tally);
    return 0;
}
"""


def test_all_of_it_is_there(installed):
    present = set(files(installed.folder))
    assert {"usr/sbin/tallyd", "usr/sbin/tally-bridge", "usr/bin/tally",
            "usr/include/tally.h", "usr/lib/libtally.a",
            "usr/lib/libtally.so", "usr/lib/libtally.so.0", "usr/lib/pkgconfig/tally.pc",
            "usr/lib/systemd/system/tallyd.service", "usr/lib/systemd/system/tallyd.socket",
            "usr/lib/systemd/system/tally-bridge.service", "usr/share/man/man8/tally-bridge.8",
            "usr/share/bash-completion/completions/tally-bridge",
            "usr/share/zsh/site-functions/_tally-bridge",
            "usr/lib/sysusers.d/tally.conf", "usr/lib/tmpfiles.d/tally.conf",
            "usr/bin/kubectl-tally", "usr/share/man/man1/kubectl-tally.1",
            "usr/share/man/man8/tallyd.8", "usr/share/man/man1/tally.1",
            "usr/share/man/man3/libtally.3", "usr/share/man/man3/tally_count.3",
            "usr/share/man/man3/tally_cursor_next.3",
            "usr/share/man/man7/tally-protocol.7"} <= present


def test_no_file_knows_the_folder_it_was_staged_in(installed):
    for name in files(installed.folder):
        path = installed.path(name)
        if not os.path.islink(path):
            with open(path, "rb") as file:
                content = file.read()
            assert installed.folder.encode() not in content, name
            assert b"@SBINDIR@" not in content and b"@PREFIX@" not in content, name


def test_a_program_builds_with_what_is_installed(installed, tmp_path):
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text(PROGRAM)
    environment = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": installed.folder,
                   "PKG_CONFIG_LIBDIR": installed.path("usr/lib/pkgconfig")}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "tally"], env=environment,
                           check=True, capture_output=True, text=True).stdout.split()
    subprocess.run(["cc", str(source), "-o", str(program), *flags], check=True)
    done = subprocess.run([str(program)], check=True, capture_output=True, text=True, env={
        "LD_LIBRARY_PATH": installed.path("usr/lib")})
    assert done.stdout.split()[1] == "NOAGENT"


# The folders of every prefix before an installation.
COMMON = {"bin", "sbin", "lib", "include", "share", "share/man"}


def test_uninstall_leaves_nothing_behind(tmp_path):
    for prefix in ("/usr", "/usr/local"):
        folder = str(tmp_path / prefix.replace("/", "-"))
        make("install", f"DESTDIR={folder}", f"PREFIX={prefix}")
        assert files(folder)
        make("uninstall", f"DESTDIR={folder}", f"PREFIX={prefix}")
        left = {os.path.relpath(place, folder + prefix) for place, _, _ in os.walk(folder + prefix)}
        assert left - {"."} == COMMON
        assert files(folder) == []


def test_uninstall_leaves_what_others_have_installed(tmp_path):
    for prefix in ("/usr", "/usr/local"):
        folder = str(tmp_path / prefix.replace("/", "-"))
        make("install", f"DESTDIR={folder}", f"PREFIX={prefix}")
        strangers = [os.path.join(folder + prefix, name) for name in
                     ("lib/libtally-of-somebody-else.so", "lib/pkgconfig/other.pc")]
        for stranger in strangers:
            with open(stranger, "w", encoding="ascii"):
                pass
        make("uninstall", f"DESTDIR={folder}", f"PREFIX={prefix}")
        assert files(folder) == [os.path.relpath(stranger, folder) for stranger in strangers]


# In a mount namespace with its own /usr/local and /etc.
ON_THE_MACHINE = """
set -e
mkdir "$1/etc" && cp -a /etc/. "$1/etc"
mount --bind "$1/etc" /etc
mount -t tmpfs tmpfs /usr/local
mkdir -p /usr/local/bin /usr/local/sbin /usr/local/lib /usr/local/include /usr/local/share/man
ldconfig
list() { find /usr/local /etc -not -name ld.so.cache | sort; ldconfig -p; }
list >"$1/before"
make -s -C "$2" BUILD="$3" install >/dev/null
cc "$1/program.c" -o "$1/program" $(pkg-config --cflags --libs tally)
"$1/program"
tally --version
make -s -C "$2" BUILD="$3" uninstall
list | diff "$1/before" - >&2
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to install")
def test_on_the_machine_itself_a_program_runs_at_once_and_nothing_stays(tmp_path):
    (tmp_path / "program.c").write_text(PROGRAM)
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("MAKE")}
    done = subprocess.run(["unshare", "--mount", "sh", "-c", ON_THE_MACHINE, "sh", str(tmp_path),
                           ROOT, BUILD], env={**environment, "LC_ALL": "C"}, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    program, command = done.stdout.splitlines()
    assert program.split()[1] == "NOAGENT" and program.split()[0] in command


def test_a_second_installation_replaces_the_first(tmp_path):
    folder = str(tmp_path / "twice")
    for _ in range(2):
        make("install", f"DESTDIR={folder}", "PREFIX=/usr")
    make("uninstall", f"DESTDIR={folder}", "PREFIX=/usr")
    make("uninstall", f"DESTDIR={folder}", "PREFIX=/usr")
    assert files(folder) == []
