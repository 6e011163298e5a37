# SPDX-License-Identifier: Apache-2.0
"""The clients of client/examples/, each run as a program with an agent."""

import os
import re
import resource
import shutil
import socket as sockets
import subprocess

import pytest

from tests.gateway.local import ROOT

from .agent import BUILD, SANITIZER_OPTIONS
from .yaml_files import pending_object, scaled_object, trigger

EXAMPLES = os.path.join(ROOT, "client/examples")
MODULES = os.path.join(ROOT, ".deps/node_modules")
LIBRARY = os.path.join(BUILD, "libtally.so.0")
UGORJI = "/usr/share/gocode/src/github.com/ugorji"
# Debian's rustc is 55 MB to fetch, which one example is not worth: it is tried where there is one.
COUNTS = ["count.py", "count.mjs", "count.sh", "count.c", "count.go",
          *(["count.rs"] if shutil.which("rustc") else [])]
ADAPTERS = ["uv.c", "glib.c"]  # of event loops; each counts once
NAMES = COUNTS + ADAPTERS
LOOPS = {"uv.c": "libuv", "glib.c": "glib-2.0"}


def source(name):
    with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
        return file.read()


def is_sanitized():
    symbols = subprocess.run(["nm", "-D", LIBRARY], capture_output=True, text=True, check=True)
    return "__asan_init" in symbols.stdout


def preloaded():
    """rustc cannot link the sanitizer's library first, which it must be."""
    if not is_sanitized():
        return {}
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True,
                           check=True)
    return {"LD_PRELOAD": found.stdout.strip()}


def need(present, what):
    if not present:
        pytest.skip(f"{what} is not installed")


def compile_c(name, program):
    flags = []
    if name in LOOPS:
        found = subprocess.run(["pkg-config", "--cflags", "--libs", LOOPS[name]], text=True, check=False,
                               capture_output=True)
        need(found.returncode == 0, LOOPS[name])
        flags = found.stdout.split()
    # uv.h needs the types of POSIX.
    subprocess.run(["gcc", "-std=gnu99" if name == "uv.c" else "-std=c99", "-Wall", "-Wextra",
                    "-Wpedantic", "-Werror",
                    *(["-fsanitize=address,undefined"] if is_sanitized() else []),
                    "-I", os.path.join(ROOT, "client"), os.path.join(EXAMPLES, name), LIBRARY,
                    f"-Wl,-rpath,{BUILD}", *flags, "-o", program], check=True, timeout=60)


def compile_go(name, program):
    need(shutil.which("go"), "golang-go")
    need(os.path.isdir(UGORJI), "golang-github-ugorji-go-codec-dev")
    # Go's cache lasts from one test to the next.
    subprocess.run(["go", "build", "-o", program, name], cwd=EXAMPLES, check=True, timeout=300,
                   env={**os.environ, "GOPATH": "/usr/share/gocode", "GO111MODULE": "off",
                        "GOCACHE": os.path.join(os.path.dirname(program), "go-cache")})


def compile_rust(name, program):
    folder = os.path.dirname(program)
    link = os.path.join(folder, "libtally.so")
    if not os.path.exists(link):
        os.symlink(LIBRARY, link)
    subprocess.run(["rustc", "-D", "warnings", "-L", folder, "-C", f"link-arg=-Wl,-rpath,{BUILD}",
                    "-o", program, os.path.join(EXAMPLES, name)], check=True, timeout=120)


COMPILERS = {".c": compile_c, ".go": compile_go, ".rs": compile_rust}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compiles an example at its first use; returns the program."""
    folder = tmp_path_factory.mktemp("examples")

    def make(name):
        program = str(folder / name.replace(".", "-"))
        if not os.path.exists(program):
            COMPILERS[os.path.splitext(name)[1]](name, program)
        return program

    return make


@pytest.fixture(params=NAMES)
def example(request, compiled, tmp_path):
    """Runs an example with a socket; returns exit code, stdout and stderr."""
    name = request.param
    more = preloaded() if name.endswith(".rs") else {}
    if name == "count.mjs":
        # Node looks for modules in the file's folder and above it.
        (tmp_path / "node_modules").symlink_to(MODULES)
        (tmp_path / name).write_text(source(name), encoding="utf-8")
        command = ["node", str(tmp_path / name)]
    elif os.path.splitext(name)[1] in COMPILERS:
        command = [compiled(name)]
    else:
        command = [os.path.join(EXAMPLES, name)]

    def run(socket):
        done = subprocess.run([*command, "orders"], capture_output=True, text=True, timeout=60,
                              env={"PATH": os.environ["PATH"], "TALLY_SOCKET": socket,
                                   **SANITIZER_OPTIONS, **more},
                              stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


def orders():
    return scaled_object("orders", trigger())


def test_prints_the_number_and_nothing_else(start, example):
    assert example(start(orders()).socket) == (0, "7\n", "")


def test_a_number_of_several_bytes(start, pending, example):
    """The full name contains the encoded bytes of the key `count`, and a number."""
    queue = scaled_object("orders", trigger(value={"S": "pending"}), namespace="åcount5")
    agent = start(queue)
    agent.rpc("count", trigger="orders", timeout_ms=60000)  # the examples wait for 5 s only
    assert example(agent.socket) == (0, f"{pending}\n", "")


def test_the_agents_error_is_reported_and_exits_1(start, example):
    code, out, err = example(start(pending_object()).socket)
    assert (code, out) == (1, "")
    assert re.fullmatch(r'UNKNOWN_TRIGGER: no trigger is named "orders"[^\n]*\n', err)


def test_where_no_agent_is_it_says_so_and_exits_1(tmp_path, example):
    code, out, err = example(str(tmp_path / "none.sock"))
    assert (code, out) == (1, "")
    assert err and err.count("\n") == 1


def test_the_example_in_c_is_the_one_of_the_readme():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        (shown,) = re.findall(r"^```c\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
    assert source("count.c") == shown


def processor_seconds():
    """Of all programs that ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_an_agent_that_does_not_answer_is_given_up(tmp_path, example):
    """Each has a deadline of its own, of 5 or 6 s; in an event loop it takes the loop's timer."""
    path = str(tmp_path / "silent.sock")
    with sockets.socket(sockets.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        before = processor_seconds()
        code, out, err = example(path)
        assert processor_seconds() - before < 1  # it waits
    assert (code, out) == (1, "")
    assert err and err.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_small(name):
    assert source(name).count("\n") <= (50 if name in COUNTS else 110)
