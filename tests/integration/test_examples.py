# SPDX-License-Identifier: Apache-2.0
"""The clients of client/examples/, each run as a program with an agent."""

import os
import re
import subprocess

import pytest

from tests.gateway.local import ROOT

from .agent import BUILD, SANITIZER_OPTIONS
from .yaml_files import pending_object, scaled_object, trigger

EXAMPLES = os.path.join(ROOT, "client/examples")
MODULES = os.path.join(ROOT, ".deps/node_modules")
NAMES = ["count.py", "count.mjs", "count.sh", "count.c"]


def source(name):
    with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
        return file.read()


def compiled(name, folder):
    shared = os.path.join(BUILD, "libtally.so.0")
    symbols = subprocess.run(["nm", "-D", shared], capture_output=True, text=True, check=True)
    sanitized = "__asan_init" in symbols.stdout
    program = str(folder / "count")
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                    *(["-fsanitize=address,undefined"] if sanitized else []),
                    "-I", os.path.join(ROOT, "client"), os.path.join(EXAMPLES, name), shared,
                    f"-Wl,-rpath,{BUILD}", "-o", program], check=True, timeout=60)
    return program


@pytest.fixture(params=NAMES)
def example(request, tmp_path):
    """Runs an example with a socket; returns exit code, stdout and stderr."""
    name = request.param
    path = os.path.join(EXAMPLES, name)
    if name == "count.mjs":
        # Node looks for modules in the file's folder and above it.
        (tmp_path / "node_modules").symlink_to(MODULES)
        (tmp_path / name).write_text(source(name), encoding="utf-8")
        command = ["node", str(tmp_path / name)]
    else:
        command = [compiled(name, tmp_path) if name == "count.c" else path]

    def run(socket):
        done = subprocess.run([*command, "orders"], capture_output=True, text=True, timeout=60,
                              env={"PATH": os.environ["PATH"], "TALLY_SOCKET": socket,
                                   **SANITIZER_OPTIONS},
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


def test_the_agents_error_is_told_and_exits_1(start, example):
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


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_small(name):
    assert source(name).count("\n") <= 40
