# SPDX-License-Identifier: Apache-2.0
"""libtally's interface: its header, its symbols, its size, and a program in C and C++."""

import os
import re
import subprocess

import pytest

from tests.gateway.local import ROOT

from .agent import BUILD
from .yaml_files import small_object

CLIENT = os.path.join(ROOT, "client")
SHARED = os.path.join(BUILD, "libtally.so.0")
STATIC = os.path.join(BUILD, "libtally.a")
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wshadow", "-Wconversion", "-I", CLIENT]

PROGRAM = r"""
#include <tally.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct tally *tally = NULL;
    struct tally_request *request = NULL;
    int64_t count = -1;
    char trigger[64];
    int r = tally_open(&tally, argc > 1 ? argv[1] : NULL);
    if (r == 0)
        r = tally_set_timeout(tally, 20000);
    if (r == 0)
        r = tally_request_new(&request, "count");
    if (r == 0)
        tally_request_set_string(request, "trigger", "small");
    if (r == 0)
        tally_request_set_integer(request, "max_age_ms", 60000);
    if (r == 0)
        r = tally_call(tally, request);
    if (r == 0)
        r = tally_answer_string(tally_last_answer(tally), "trigger", trigger, sizeof(trigger));
    if (r == 0)
        r = tally_count(tally, "small", &count);
    if (r == 0)
        printf("%s %ld %d\n", trigger, (long)count,
            (int)tally_answer_quality(tally_last_answer(tally)));
    else
        printf("%s: %s\n", tally_error_name(r), tally ? tally_error_message(tally) : "");
    tally_request_free(request);
    tally_close(tally);
    return r == 0 ? 0 : 1;
}
"""

DIALECTS = {"gcc-c99": ["gcc", "-std=c99", "-x", "c"], "gcc-c++17": ["g++", "-std=c++17", "-x", "c++"],
            "clang-c99": ["clang", "-std=c99", "-x", "c"],
            "clang-c++17": ["clang++", "-std=c++17", "-x", "c++"]}


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def exported():
    """The library's own dynamic symbols."""
    out = run("nm", "-D", "--defined-only", "--with-symbol-versions", SHARED)
    return {line.split()[-1] for line in out.splitlines() if " T " in line}


def is_sanitized():
    return "__asan_init" in run("nm", "-D", SHARED)


def sanitizer():
    return ["-fsanitize=address,undefined"] if is_sanitized() else []


def header():
    with open(os.path.join(CLIENT, "tally.h"), encoding="utf-8") as file:
        return file.read()


def declared():
    text = re.sub(r"/\*.*?\*/", "", header(), flags=re.S)
    return set(re.findall(r"\b(tally_[a-z0-9_]+)\(", text)) - {"tally_callback"}  # a type


def mapped():
    """Symbol to version node."""
    with open(os.path.join(CLIENT, "tally.map"), encoding="utf-8") as file:
        text = re.sub(r"#.*", "", file.read())
    nodes = re.findall(r"(TALLY_[0-9.]+)\s*\{(.*?)\}", text, re.S)
    return {symbol: node for node, body in nodes for symbol in re.findall(r"(tally_\w+);", body)}


def test_header_map_and_library_name_the_same_symbols():
    assert declared() == set(mapped())
    assert exported() == {f"{symbol}@@{node}" for symbol, node in mapped().items()}


def test_the_map_is_sorted_and_names_nothing_twice():
    with open(os.path.join(CLIENT, "tally.map"), encoding="utf-8") as file:
        nodes = [re.findall(r"^\s+(tally_\w+);", node, re.M) for node in file.read().split("}")]
    names = [name for node in nodes for name in node]
    assert len(names) == len(set(names)) > 50
    for node in nodes:
        assert node == sorted(node)


def test_the_library_needs_libc_alone():
    needed = re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", SHARED))
    if is_sanitized():
        needed = [name for name in needed if not re.match("lib[a-z]*san|libm|libgcc", name)]
    assert needed == ["libc.so.6"]
    assert "SONAME               libtally.so.0" in run("objdump", "-p", SHARED)


def test_the_library_is_small():
    if is_sanitized():
        return  # most of its code is the sanitizers'
    sizes = dict(re.findall(r"^(\.\w+)\s+(\d+)", run("size", "-A", SHARED), re.M))
    assert int(sizes[".text"]) < 32 * 1024
    assert int(sizes.get(".bss", 0)) + int(sizes.get(".data", 0)) < 64  # no global state


def test_the_library_does_not_touch_what_is_the_programs():
    undefined = run("nm", "-D", "--undefined-only", SHARED)
    for name in ("signal", "sigaction", "pthread_create", "exit", "abort", "setenv", "fork",
                 "printf", "puts", "syslog", "alarm", "setitimer", "timer_create"):
        assert not re.search(rf"\b{name}@", undefined), name


@pytest.mark.parametrize("dialect", DIALECTS)
def test_programs_in_every_dialect(start, tmp_path, dialect):
    agent = start(small_object())
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text(PROGRAM)
    if is_sanitized() and dialect.startswith("clang"):
        run(*DIALECTS[dialect], *STRICT, "-c", str(source), "-o", str(program))
        return  # the sanitizers of the two compilers are incompatible
    os.symlink(SHARED, tmp_path / "libtally.so")
    os.symlink(SHARED, tmp_path / "libtally.so.0")
    run(*DIALECTS[dialect], *STRICT, *sanitizer(), str(source), "-o", str(program),
        "-L", str(tmp_path), "-ltally", "-Wl,-rpath," + str(tmp_path))
    assert run(str(program), agent.socket, env=agent.env) == "shop/small 7 1\n"


def test_a_static_program(start, tmp_path):
    agent = start(small_object())
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text(PROGRAM)
    run("gcc", *STRICT, *sanitizer(), str(source), "-x", "none", STATIC, "-o", str(program))
    assert run(str(program), agent.socket, env=agent.env) == "shop/small 7 1\n"
    assert "libtally" not in run("objdump", "-p", str(program))


def test_the_headers_examples_compile(tmp_path):
    text = header()
    examples = re.findall(r"(?:^ \*     .*\n(?:^ \*\n)?)+", text, re.M)
    assert len(examples) >= 3
    bodies = ["\n".join(line[3:] for line in example.splitlines()) for example in examples]
    declarations = ("struct tally *tally; struct tally_request *request; int r; "
                    "struct tally_async *async; tally_callback *on_answer; void *data; "
                    "struct tally_cursor *cursor; char name[64];")
    for number, body in enumerate(bodies):
        # Names that an example expects from the program are declared around it; a block hides duplicates.
        source = tmp_path / f"example{number}.c"
        source.write_text(f"#include <tally.h>\n#include <poll.h>\n#include <stdio.h>\n"
                          f"void example(void);\n{declarations}\n"
                          f"void example(void) {{\n{body}\n}}\n")
        run("gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-I", CLIENT, "-D_GNU_SOURCE", "-c",
            str(source), "-o", os.devnull)


def test_pkg_config_describes_both_ways_of_linking(tmp_path):
    with open(os.path.join(CLIENT, "tally.pc.in"), encoding="utf-8") as file:
        text = file.read()
    for name, value in {"PREFIX": "/p", "LIBDIR": "/p/lib", "INCLUDEDIR": "/p/include",
                        "VERSION": "1.2.3"}.items():
        assert f"@{name}@" in text
        text = text.replace(f"@{name}@", value)
    assert "@" not in text
    (tmp_path / "tally.pc").write_text(text)
    env = {"PATH": os.environ["PATH"], "PKG_CONFIG_PATH": str(tmp_path)}
    assert run("pkg-config", "--cflags", "--libs", "tally", env=env).split() == [
        "-I/p/include", "-L/p/lib", "-ltally"]
    assert run("pkg-config", "--static", "--libs", "tally", env=env).split() == [
        "-L/p/lib", "-ltally"]
    assert run("pkg-config", "--modversion", "tally", env=env) == "1.2.3\n"
