# SPDX-License-Identifier: Apache-2.0
"""Installs tally into a folder of the test."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from tests.gateway.local import ROOT
from tests.integration.agent import BUILD
from tests.integration.conftest import pod, programs, start  # noqa: F401: fixtures


def make(*arguments):
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("MAKE")}
    done = subprocess.run(["make", "--no-print-directory", "-C", ROOT, f"BUILD={BUILD}", *arguments],
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout


def files(folder):
    """All files that are not folders, as paths below it."""
    return sorted(os.path.relpath(os.path.join(place, name), folder)
                  for place, _, names in os.walk(folder) for name in names)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("installed"))
    make("install", f"DESTDIR={folder}", "PREFIX=/usr")
    return SimpleNamespace(folder=folder, path=lambda name: os.path.join(folder, name))
