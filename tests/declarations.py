#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that a block that begins with declarations has a blank line behind them. `--fix` inserts
the missing ones."""

import os
import re
import sys

import source

BLOCK = re.compile(r"(^|\)|\belse|\bdo|:)\s*\{$")
STATEMENT = r"(?!(?:return|goto|else|case|default|break|continue|do|while|for|if|switch)\b)"
QUALIFIER = r"(?:static|const|volatile|unsigned|signed|long|short|struct|union|enum)\s+"
DECLARATION = re.compile(
    rf"^{STATEMENT}(?:{QUALIFIER})*"
    r"(?:\w+(?:\s+(?:const|int|char|long|short))*(?:\s+\**|\s*\*+)(?:const\s+\**)?"
    r"(?:\w+\s*(?:[=;,\[]|__attribute__|$)|\(\*)"
    r"|(?:(?:struct|union|enum)\s*\w*\s*)?\{)")


def end_of(lines, at):
    """The line behind the declaration that begins at line `at`."""
    depth = 0
    while at < len(lines):
        depth += sum(lines[at].count(mark) for mark in "({[")
        depth -= sum(lines[at].count(mark) for mark in ")}]")
        at += 1
        if depth <= 0 and lines[at - 1].rstrip().endswith(";"):
            break
    return at


def missing_after(code, text, at):
    """The line before which the block whose first line is `at` needs a blank one, or None."""
    declared, comment = False, None
    while at < len(code):
        line = code[at].strip()
        if not text[at].strip():
            return None
        if not line:  # a comment
            comment = at if comment is None else comment
            at += 1
        elif DECLARATION.match(line):
            declared, comment = True, None
            at = end_of(code, at)
        else:
            is_end = line.startswith("}")
            return at if declared and not is_end and comment is None else \
                comment if declared and not is_end else None
    return None


def missing(text):
    """The numbers of the lines, from 0 on, before which a blank one is missing."""
    code, lines = source.code(text).split("\n"), text.split("\n")
    found = [missing_after(code, lines, at + 1) for at, line in enumerate(code)
             if BLOCK.search(line.rstrip())]
    return sorted({at for at in found if at is not None})


def fixed(text):
    lines = text.split("\n")
    for at in reversed(missing(text)):
        lines.insert(at, "")
    return "\n".join(lines)


def self_test():
    cases = [("{\n    int a = 1;\n    f(a);\n}", 1), ("{\n    int a = 1;\n\n    f(a);\n}", 0),
             ("{\n    const char *a, *b;\n    return a;\n}", 1),
             ("{\n    f();\n    int a;\n    f(a);\n}", 0),
             ("if (a) {\n    struct b *c = d(\n        e);\n    f(c);\n}", 1),
             ("{\n    int a;\n    /* why */\n    f(a);\n}", 1),
             ("{\n    int a;\n    /* why */\n    int b;\n\n    f(a);\n}", 0),
             ("{\n    static const struct {\n        int a;\n    } b[] = {{1}};\n    f(b);\n}", 1),
             ("{\n    return a;\n}", 0), ("{\n    a = b;\n    f();\n}", 0), ("{\n    a *b;\n}", 0),
             ("x = f(&(struct a){\n    .b = c});", 0)]
    return [f"self-test: {text!r}" for text, wanted in cases if len(missing(text)) != wanted] + \
        [f"self-test: not fixed: {text!r}" for text, _ in cases if missing(fixed(text))]


def main():
    faults = self_test()
    for name in source.files():
        text = source.read(name)
        if "--fix" in sys.argv and missing(text):
            with open(os.path.join(source.ROOT, name), "w", encoding="utf-8") as file:
                file.write(fixed(text))
        else:
            faults += [f"{name}:{at + 1}: a blank line is missing behind the declarations"
                       for at in missing(text)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
