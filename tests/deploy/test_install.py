"""make install and make uninstall."""

import os
import subprocess

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
    assert {"usr/sbin/tallyd", "usr/bin/tally", "usr/include/tally.h", "usr/lib/libtally.a",
            "usr/lib/libtally.so", "usr/lib/libtally.so.0", "usr/lib/pkgconfig/tally.pc",
            "usr/lib/systemd/system/tallyd.service", "usr/lib/systemd/system/tallyd.socket",
            "usr/lib/sysusers.d/tally.conf", "usr/lib/tmpfiles.d/tally.conf",
            "usr/share/man/man8/tallyd.8", "usr/share/man/man1/tally.1",
            "usr/share/man/man3/libtally.3",
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


def test_uninstall_leaves_no_file_behind(tmp_path):
    for prefix in ("/usr", "/usr/local"):
        folder = str(tmp_path / prefix.replace("/", "-"))
        make("install", f"DESTDIR={folder}", f"PREFIX={prefix}")
        assert files(folder)
        stranger = os.path.join(folder + prefix, "lib/libtally-of-somebody-else.so")
        with open(stranger, "w", encoding="ascii"):
            pass
        make("uninstall", f"DESTDIR={folder}", f"PREFIX={prefix}")
        assert files(folder) == [os.path.relpath(stranger, folder)]


def test_a_second_installation_replaces_the_first(tmp_path):
    folder = str(tmp_path / "twice")
    for _ in range(2):
        make("install", f"DESTDIR={folder}", "PREFIX=/usr")
    make("uninstall", f"DESTDIR={folder}", "PREFIX=/usr")
    make("uninstall", f"DESTDIR={folder}", "PREFIX=/usr")
    assert files(folder) == []
