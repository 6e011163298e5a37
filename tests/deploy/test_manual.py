# SPDX-License-Identifier: Apache-2.0
"""tallyd(8) and tally-bridge(8) agree with the programs."""

import glob
import os
import re
import subprocess

import pytest

from tests.gateway.local import ROOT
from tests.integration.agent import TALLYD
from tests.integration.bridge import BRIDGE

PROGRAMS = {"tallyd": TALLYD, "tally-bridge": BRIDGE}


def page(name="tallyd"):
    with open(os.path.join(ROOT, f"deploy/man/{name}.8"), encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_has_every_option(name):
    answer = subprocess.run([PROGRAMS[name], "--help"], check=True, capture_output=True,
                          text=True).stdout
    options = re.findall(r"^  --([a-z-]+)", answer, re.MULTILINE)
    assert len(options) > 10
    text = page(name)
    for option in options:
        assert re.search(rf"^\.It .*Fl -{option}\b", text, re.MULTILINE), option
    for option in re.findall(r"^\.It .*?Fl -([a-z-]+)", text, re.MULTILINE):
        assert option in options, option


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_has_every_default(name):
    answer = subprocess.run([PROGRAMS[name], "--help"], check=True, capture_output=True,
                          text=True).stdout
    text = re.sub(r"\s+", " ", page(name))
    for default in re.findall(r"\[([^\]|]+)\]$", answer, re.MULTILINE):
        assert default in text, default


def test_it_has_every_variable_that_the_agent_reads():
    text = page()
    names = set()
    for path in glob.glob(os.path.join(ROOT, "agent/**/*.c"), recursive=True):
        with open(path, encoding="utf-8") as file:
            names |= set(re.findall(r'"(AWS_[A-Z0-9_]+|NOTIFY_SOCKET|LISTEN_FDS)"', file.read()))
    assert len(names) > 20
    for name in names:
        assert re.search(rf"\b{name}\b", text), name
