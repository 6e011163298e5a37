# SPDX-License-Identifier: Apache-2.0
"""Reads the C sources for the checks in this folder."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', re.MULTILINE)
_NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def files():
    """Every C file of the tree, committed or new."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "*.c", "*.h"],
        check=True, capture_output=True, text=True).stdout.split()
    return sorted(name for name in set(listed) if os.path.exists(os.path.join(ROOT, name)))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def includes(text):
    """(line number, whether it is quoted, name) of each #include."""
    return [(text.count("\n", 0, found.start()) + 1, found.group(1) == '"', found.group(2))
            for found in _INCLUDE.finditer(text)]


def code(text):
    """The text without comments and strings, with the same line numbers."""
    def blank(found):
        piece = found.group(0)
        return "\n" * piece.count("\n") + ('""' if piece[0] in "\"'" else " ")

    return _NOISE.sub(blank, text)
