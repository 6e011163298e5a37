#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Finds copies of the version: it stands in the Makefile alone, from where everything takes it, and in
CHANGELOG.md. Released versions count, too: where one stands, the next one was forgotten. Examples have
a version that never was one of tally's (1.2.3), images to paste have VERSION."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KNOWN = {"Makefile", "CHANGELOG.md"}
# Versions of what others have made.
OTHERS = ("package-lock.json", "package.json")


def versions(makefile, changelog):
    current = re.findall(r"^VERSION := (\S+)$", makefile, re.MULTILINE)
    return current, set(current) | set(re.findall(r"^## ([0-9]+\.[0-9]+\.[0-9]+)", changelog,
                                                  re.MULTILINE))


def copies(name, text, wanted):
    pattern = re.compile(r"(?<![\d.])(%s)(?!\d|\.\d)" % "|".join(map(re.escape, sorted(wanted))))
    return [f"{name}:{number}: {found.group(1)} stands here, too; take it from the Makefile"
            for number, line in enumerate(text.splitlines(), 1) for found in pattern.finditer(line)]


def read(name):
    try:
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            return file.read()
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return ""  # a binary file; one that was removed


def check():
    current, wanted = versions(read("Makefile"), read("CHANGELOG.md"))
    if len(current) != 1:
        return [f"Makefile: {len(current)} lines say VERSION := ..."]
    names = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return [fault for name in sorted(set(names) - KNOWN) if not name.endswith(OTHERS)
            for fault in copies(name, read(name), wanted)]


def self_test():
    makefile, changelog = "VERSION := 7.8.9\n", "## Unreleased\n\n## 7.8.8 (2026-01-01)\n"
    wanted = versions(makefile, changelog)[1]
    cases = {"image: tally:7.8.9-bearssl": 1, '"7.8.8"': 1, "7.8.9.": 1, "v7.8.9": 1, "7.8.9a": 1, "v 7.8.9, 7.8.8": 2,
             "10.7.8.9": 0, "7.8.90": 0, "7.8.9.1": 0, "17.8.9": 0, "1.2.3": 0}
    return [f"self-test: {text!r} has {len(copies('x', text, wanted))} copies, not {count}"
            for text, count in cases.items() if len(copies("x", text, wanted)) != count]


if __name__ == "__main__":
    faults = self_test() + check()
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)
