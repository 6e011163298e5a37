# SPDX-License-Identifier: Apache-2.0
"""Each link of the documents to a file of the repository, or to a heading of one, has its target."""

import os
import re
import subprocess

import pytest

from tests.gateway.local import ROOT

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


def documents():
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files", "-co",
                             "--exclude-standard", "*.md"], capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def read(path):
    with open(path, encoding="utf-8") as file:
        return re.sub(r"^```.*?^```$", "", file.read(), flags=re.M | re.S)


def anchors(path):
    """As forges make them: lower case, without punctuation, blanks as hyphens."""
    headings = re.findall(r"^#+ (.*)$", read(path), re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).lower().replace(" ", "-")
            for heading in headings}


@pytest.mark.parametrize("name", documents())
def test_links_have_targets(name):
    folder = os.path.join(ROOT, os.path.dirname(name))
    for target, anchor in LINK.findall(read(os.path.join(ROOT, name))):
        path = os.path.join(folder, target) if target else os.path.join(ROOT, name)
        assert os.path.exists(path), f"{name}: {target}"
        if anchor and path.endswith(".md"):
            assert anchor in anchors(path), f"{name}: {target}#{anchor}"
