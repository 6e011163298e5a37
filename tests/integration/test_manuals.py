# SPDX-License-Identifier: Apache-2.0
"""Manual pages and completions agree with the programs."""

import contextlib
import os
import pty
import re
import select
import subprocess
import textwrap
import time

import pytest

from tests.gateway.local import ROOT

from .bridge import BRIDGE
from .test_cli import tally, verbs
from .test_library import CLIENT, declared, run
from .test_trigger_check import check

MAN = os.path.join(ROOT, "deploy", "man")
COMPLETIONS = os.path.join(ROOT, "deploy", "completions")
PAGES = sorted(os.listdir(MAN))


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def plain(page):
    return run("mandoc", "-T", "utf8", "-O", "width=500", os.path.join(MAN, page)).replace("_\b", "")


def options(verb=None):
    """The long options in the help of a verb."""
    out = tally(*([verb] if verb else []), "--help")[1]
    return set(re.findall(r"^  (?:-\w, |    )--([a-z-]+)", out, re.M))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_clean(page):
    done = subprocess.run(["mandoc", "-T", "lint", os.path.join(MAN, page)], capture_output=True,
                          text=True, check=False)
    # The referenced pages need not be installed, and mandoc.db need not be up to date.
    complaints = [line for line in (done.stdout + done.stderr).splitlines()
                  if "referenced manual not found" not in line and "mandoc.db" not in line]
    assert complaints == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_refers_to_pages_that_are_there_or_of_the_system(page):
    ours = {"tally 1", "tallyd 8", "tally-bridge 8", "libtally 3", "tally-protocol 7",
            "tally-config 5"}
    for name in re.findall(r"^\.Xr (\S+ \d)", read(MAN, page), re.M):
        assert name in ours or not name.startswith(("tally", "libtally"))


def words_of(source, table):
    """The strings of a table in a C file."""
    body = re.search(rf"{table}\[\][^{{]*{{(.*?)}};", read(ROOT, "agent", "config", source), re.S)
    return re.findall(r'"(\w+)"', body[1])


def test_the_configurations_page_has_every_parameter():
    page = read(MAN, "tally-config.5")
    parameters = words_of("parser.c", "known")
    assert len(parameters) > 15
    for name in [*parameters, *words_of("auth.c", "parameter_names"), *(
            word for word in words_of("lint.c", "snippet_fields"))]:
        assert re.search(rf"^\.(It )?.*Va {name}\b", page, re.M), name
    for name in re.findall(r"^    {\"(\w+)\", check_", read(ROOT, "agent/config/expressions.c"), re.M):
        assert re.search(rf"^\.Ql {name}\b", page, re.M), name


def test_the_configurations_example_is_good(tmp_path):
    page = plain("tally-config.5")
    example = re.search(r"^ +apiVersion.*?(?=^\S)", page, re.S | re.M)[0]
    (tmp_path / "x.yaml").write_text(textwrap.dedent(example))
    code, out, err = check("x.yaml", folder=tmp_path)
    assert code == 0 and "shop/worker" in out
    assert "warning" not in err and "error" not in err


def test_the_commands_page_has_every_verb_and_option():
    page = read(MAN, "tally.1")
    for verb in verbs():
        assert re.search(rf"^\.It Cm {verb}\b", page, re.M), verb
        for option in options(verb):
            assert re.search(rf"Fl -{option}\b", page), option


def test_the_bridges_completions_have_every_option():
    answer = subprocess.run([BRIDGE, "--help"], check=True, capture_output=True, text=True).stdout
    options = set(re.findall(r"^  --([a-z-]+)", answer, re.M))
    assert len(options) > 10
    for name in ("tally-bridge.bash", "_tally-bridge"):
        assert set(re.findall(r"--([a-z][a-z-]+)", read(COMPLETIONS, name))) == options, name


def test_the_librarys_page_names_every_function():
    page = read(MAN, "libtally.3")
    assert declared() - set(re.findall(r"\btally_[a-z0-9_]+", page)) == set()


def test_the_librarys_page_declares_what_the_header_declares():
    text = re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", read(CLIENT, "tally.h"), flags=re.S))
    synopsis = read(MAN, "libtally.3").split(".Sh DESCRIPTION")[0]
    functions = re.findall(r"^\.Fn (tally_\w+) (.*)$", synopsis, re.M)
    assert len(functions) > 10
    for name, arguments in functions:
        listed = re.findall(r'"([^"]*)"', arguments) or ["void"]
        assert f"{name}({', '.join(listed)})" in text, name


def test_the_librarys_example_compiles(tmp_path):
    example = re.search(r"\.Bd -literal\n(.*?)\.Ed", read(MAN, "libtally.3"), re.S)[1]
    source = tmp_path / "example.c"
    source.write_text(example.replace("\\e", "\\"))
    run("gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-I", CLIENT, "-c", str(source), "-o",
        os.devnull)


def test_the_protocols_page_has_every_error():
    errors = re.findall(r"XX\((\d+), ([A-Z_]+), (true|false)", read(ROOT, "proto", "errors.h"))
    page = plain("tally-protocol.7")
    for number, name, retryable in errors:
        answer = "yes" if retryable == "true" else "no"
        assert re.search(rf"^\s+{number}\s+{name}\s+{answer}$", page, re.M), name
    assert len(re.findall(r"^\s+\d+\s+[A-Z_]+\s+(?:yes|no)$", page, re.M)) == len(errors)


def test_the_protocols_example_runs(start):
    from .yaml_files import small_object
    agent = start(small_object())
    example = re.search(r"\.Bd -literal[^\n]*\n(.*?)\.Ed", read(MAN, "tally-protocol.7"), re.S)[1]
    program = example.replace("/run/tally/tally.sock", agent.socket).replace("orders", "small")
    assert run("/usr/bin/python3", "-c", program) == "7\n"


@pytest.mark.parametrize("name", ["tally.bash", "_tally"])
def test_completions_know_every_verb_and_option(name):
    text = read(COMPLETIONS, name)
    for verb in verbs():
        assert re.search(rf"\b{verb}\b", text), verb
        for option in options(verb):
            assert f"--{option}" in text, option


def complete(*words, env=None):
    """The completions of bash for the last word."""
    script = (f"source {COMPLETIONS}/tally.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); "
              "_tally; printf '%s\\n' \"${COMPREPLY[@]}\"")
    return run("bash", "-c", script, "bash", *words,
               env={"PATH": os.environ["PATH"], **(env or {})}).split()


@pytest.mark.parametrize("words, expected", [
    (["tally", "co"], ["count"]),
    (["tally", "-o", "j"], ["json"]),
    (["tally", "-s", "/x", "wh"], ["whoami"]),
    (["tally", "count", "x", "--max"], ["--max-age"]),
    (["tally", "query", "t", "k", "--con"], ["--consistent"]),
    (["tally", "list", "--max"], []),
    (["tally", "help", "wai"], ["wait"]),
])
def test_bash_offers(words, expected):
    assert complete(*words) == expected


def test_bash_offers_the_agents_triggers(start, tmp_path):
    from .agent import TALLY
    from .yaml_files import pending_object, small_object
    agent = start(small_object(), pending_object())
    os.symlink(TALLY, tmp_path / "tally")
    env = {**agent.env, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert complete("tally", "-s", agent.socket, "count", "shop/s", env=env) == ["shop/small"]
    assert len(complete("tally", "-s", agent.socket, "whoami", "", env=env)) == 2
    assert complete("tally", "-s", agent.socket, "count", "pen", env=env) == ["pending"]
    for form in ["pending", "small", "shop/pending"]:
        assert agent.rpc("explain", trigger=form, timeout_ms=60_000)


# ---- zsh completes only on a terminal ----


@contextlib.contextmanager
def zsh(env):
    """A zsh in a terminal; yields a function that types until `until` is shown. The completion gives
    the agent half a second, which may be too short on a busy machine: then it types the last key
    again."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe("zsh", ["zsh", "-f"], {**env, "TERM": "dumb", "PS1": "> ", "HOME": "/nowhere"})

    def type_in(text, until, seconds=30):
        shown, end = "", time.monotonic() + seconds
        os.write(terminal, text.encode())
        while not re.search(until, shown):
            assert time.monotonic() < end, f"zsh shows {shown!r}, not {until!r}"
            if select.select([terminal], [], [], 2)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
            elif text.endswith("\t"):
                os.write(terminal, b"\t")
        return shown

    try:
        type_in(f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D; "
                "print com''pletes\n", "completes")
        yield type_in
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(terminal)


def test_zsh_completes_verbs_options_and_the_agents_triggers(start, tmp_path):
    from .agent import TALLY
    from .yaml_files import pending_object, small_object
    agent = start(small_object(), pending_object())
    os.symlink(TALLY, tmp_path / "tally")
    with zsh({**agent.env, "PATH": f"{tmp_path}:/usr/bin:/bin"}) as type_in:
        for typed, expected in (("tally who\t", "tally whoami "),
                                ("tally -o js\t", "tally -o json "),
                                ("tally wait --unt\t", "tally wait --until "),
                                (f"tally -s {agent.socket} count shop/s\t", "count shop/small ")):
            type_in(typed, re.escape(expected))
            type_in("\x15", "")  # clears the line
