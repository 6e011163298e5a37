# SPDX-License-Identifier: Apache-2.0
"""deploy/debian, as far as it can be seen without building packages: it agrees with the tree. The
packages themselves are tried by tests/debs.sh."""

import fnmatch
import glob
import os
import re

from tests.gateway.local import ROOT

from .conftest import files, make

DEBIAN = os.path.join(ROOT, "deploy/debian")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def packages():
    return set(re.findall(r"^Package: (.+)$", read(DEBIAN, "control"), re.MULTILINE))


def symbols_of_the_map():
    """symbol@node ► the first version that has it, by the node's name."""
    found = {}
    for node, version, body in re.findall(r"^(TALLY_([0-9.]+)) \{(.*?)^\}", read("client/tally.map"),
                                          re.MULTILINE | re.DOTALL):
        found[f"{node}@{node}"] = version
        found.update({f"{name}@{node}": version for name in re.findall(r"^ +(tally_\w+);", body,
                                                                        re.MULTILINE)})
    return found


def test_the_symbols_are_those_of_the_map():
    head, *lines = read(DEBIAN, "libtally0.symbols").splitlines()
    assert head == "libtally.so.0 libtally0 #MINVER#"
    assert re.search(r"^SOVERSION := 0$", read("Makefile"), re.MULTILINE)
    listed = dict(line.strip().rsplit(" ", 1) for line in lines)
    assert listed == symbols_of_the_map()
    assert len(listed) > 50


def test_each_installed_file_is_in_one_package(tmp_path):
    settings = re.search(r"^SETTINGS := (.*?[^\\])$", read(DEBIAN, "rules"), re.MULTILINE | re.DOTALL)
    chosen = [word for word in settings.group(1).replace("\\\n", " ").split()
              if word.split("=")[0] in ("PREFIX", "SBINDIR", "SYSTEMDDIR", "ZSHCOMPDIR")]
    assert len(chosen) == 4
    make("install", f"DESTDIR={tmp_path}", "LIBDIR=/usr/lib/triplet", *chosen)
    wanted = {}
    for path in glob.glob(os.path.join(DEBIAN, "*.install")):
        name = os.path.basename(path).removesuffix(".install")
        wanted.update({line.split()[0]: name for line in read(path).splitlines()})
    assert set(wanted.values()) == packages()
    used = set()
    for name in files(tmp_path):
        patterns = [pattern for pattern in wanted
                    if fnmatch.fnmatch(name, pattern) or name.startswith(pattern + "/")]
        assert len(patterns) == 1, f"{name}: {patterns}"
        used.update(patterns)
    assert used == set(wanted)


def test_the_packages_need_what_the_build_needs():
    listed, = re.findall(r"^libraries=\((.*?)\)", read("tests/setup.sh"), re.MULTILINE | re.DOTALL)
    needed, = re.findall(r"^Build-Depends: (.*?)^\S", read(DEBIAN, "control"), re.MULTILINE | re.DOTALL)
    assert set(listed.split()) - {"libc6-dev"} <= set(re.split(r"[,\s]+", needed))


def test_what_the_packages_ship_is_there():
    for kind in ("docs", "examples"):
        for path in glob.glob(os.path.join(DEBIAN, f"*.{kind}")):
            for line in read(path).splitlines():
                assert glob.glob(os.path.join(ROOT, line)), f"{path}: {line}"
