#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks includes: the rooms of the tree include each other in one direction only, only its owner
includes a third-party header, no units include each other in a cycle, and pure functions include no
loop, no network and no clock; and a function that a header declares is defined by its unit, or by
those of COLLECTIONS, so that no call hides from these checks. `--self-test` shows that the check can
fail."""

import collections
import fnmatch
import os
import re
import sys

import source

# The allowed includes of each room, besides itself. "agent" is the files directly in agent/: the loop,
# the log, lists. main.c and options.c, in the same folder, may include all rooms.
ROOMS = {
    "proto": set(),
    "client": {"proto"},
    "client/cli": {"client", "proto"},
    "client/bridge": {"agent", "client", "proto"},
    "agent": {"proto"},
    "agent/config": {"agent", "proto"},
    "agent/aws": {"agent", "proto"},
    "agent/credentials": {"agent", "agent/aws", "agent/config", "proto"},
    "agent/count": {"agent", "agent/aws", "agent/config", "agent/credentials", "proto"},
    "agent/ipc": {"agent", "agent/aws", "agent/config", "agent/count", "agent/credentials", "proto"},
}
TOP = {"agent/main.c"}
# Of the library, the programs use the public header only; of the command, tally-bridge takes what
# shows answers as JSON and as metrics.
ONLY = {("client/cli", "client"): {"client/tally.h"},
        ("client/bridge", "client"): {"client/tally.h"},
        ("client/bridge", "client/cli"): {"client/cli/json.h", "client/cli/prometheus.h",
                                          "client/cli/terminal.h"}}

OWNERS = {
    "bearssl.h": {"agent/aws/sigv4.c", "agent/aws/tls.c", "tests/unit/test_tls_bearssl.c"},
    "curl/curl.h": {"agent/aws/http.c", "agent/aws/multi.c", "agent/aws/tls.c",
                    "tests/bench/query_floor.c"},
    "expat.h": {"agent/aws/sts.c"},
    "glib.h": {"client/examples/glib.c"},
    "jansson.h": {"agent/aws/dynamodb.c", "agent/aws/shared_record.c", "agent/config/auth.c",
                  "agent/config/expressions.c", "agent/config/sum_over.c", "agent/ipc/client_values.c",
                  "agent/json_value.c", "client/cli/json.c"},
    "nghttp2/nghttp2.h": {"client/bridge/http2.c", "client/bridge/stream.c"},
    "openssl/err.h": {"client/bridge/peer_tls.c"},
    "openssl/ssl.h": {"client/bridge/peer_tls.c"},
    "msgpack.h": {"proto/writer.c", "tests/fuzz/fuzz_frame.c"},
    "seccomp.h": {"agent/sandbox_compile.c"},
    "uv.h": {"agent/loop.c", "client/examples/uv.c"},
    "yaml.h": {"agent/config/yaml.c"},
}

LEAVES = ["agent/aws/aws_clock", "agent/aws/aws_error", "agent/aws/dynamodb", "agent/aws/retry",
          "agent/aws/shared_record", "agent/aws/sigv4", "agent/aws/sts", "agent/endpoint",
          "agent/count/cache", "agent/count/decision", "agent/count/read_cost",
          "client/bridge/http1", "client/bridge/protobuf", "client/bridge/scaler",
          "client/bridge/status", "client/bridge/trigger_book", "proto/reader", "proto/message",
          "proto/writer"]
# Headers without a source of their own, and what defines the functions that they collect.
COLLECTIONS = {"agent/ipc/methods.h": ["agent/ipc/method_*.c"],
               "client/cli/verbs.h": ["client/cli/*.c"],
               "agent/config/trigger.h": ["agent/config/scaled_object.c"]}

UNSEEN = {"agent/loop.h", "agent/aws/http.h", "uv.h", "curl/curl.h", "unistd.h", "sys/socket.h"}
CLOCKS = re.compile(r"\b(clock_gettime|gettimeofday|time|loop_now|loop_wall)\s*\(")


def room(name):
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] in ("agent", "client") and len(parts) > 2 else parts[0]


def check(texts):
    """All violations in the sources `texts` (name → text), as lines to print."""
    faults = []
    for name, text in texts.items():
        for line, quoted, included in source.includes(text):
            fault = (check_own if quoted else check_foreign)(name, included)
            if fault:
                faults.append(f"{name}:{line}: {fault}")
    for leaf in LEAVES:
        faults += check_leaf(leaf, texts)
    for name, text in texts.items():
        if room(name) in ROOMS:
            faults += check_declared(name, text, texts)
    return faults + [f"a circle of includes: {' -> '.join(circle)}" for circle in circles(texts)]


def check_declared(name, text, texts):
    """A header declares what its unit defines, a source declares nothing."""
    if name.endswith(".c"):
        return [f"{name}: {function} is declared here; include its header"
                for function in declared(text) if name not in TOP]
    definers = COLLECTIONS.get(name, [unit(name) + ".c"])
    there = set().union(*(defined(texts[file]) for file in texts
                          if any(fnmatch.fnmatch(file, definer) for definer in definers)))
    return [f"{name}: {function} is not defined in {', '.join(definers)}"
            for function in declared(text) if function not in there]


def declared(text):
    """The functions that a file declares, by prototypes or by a type of functions (method_fn a, b;)."""
    text = re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", "", source.code(text), flags=re.MULTILINE)
    text = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", "", text)
    while re.search(r"\{[^{}]*\}", text):
        text = re.sub(r"\{[^{}]*\}", "@", text)
    names = []
    for statement, end in re.findall(r"([^;@]*)([;@])", text):
        statement = " ".join(statement.split())
        if end == "@" or "=" in statement or re.match(r"(typedef|static|_Static_assert)\b", statement):
            continue
        if found := re.match(r"(?:\w+[ *]+)+(\w+) ?\((?!\*)", statement):
            names.append(found.group(1))
        elif found := re.match(r"\w+_fn ((?:\w+(?:, )?)+)$", statement):
            names += found.group(1).split(", ")
    return names


def defined(text):
    """The functions that a source defines, at the start of a line."""
    return set(re.findall(r"^(?!static\b)\w[\w\s*]*?(\w+)\s*\([^;{]*\)\s*\{", source.code(text),
                          flags=re.MULTILINE))


def unit(name):
    """A .c file and its header are one unit."""
    return os.path.splitext(name)[0]


def circles(texts):
    """The groups of units that include each other, directly or indirectly."""
    graph = collections.defaultdict(set)
    for name, text in texts.items():
        for _, quoted, included in source.includes(text):
            if quoted and room(name) != "tests" and unit(included) != unit(name):
                graph[unit(name)].add(unit(included))
    reached = {}
    for start in list(graph):
        ahead, seen = [start], set()
        while ahead:
            for other in graph.get(ahead.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    ahead.append(other)
        reached[start] = seen
    return sorted({tuple(sorted(other for other in reached[name] | {name}
                                if name in reached.get(other, ())))
                   for name in reached if name in reached[name]})


def check_own(name, included):
    here, there = room(name), room(included)
    if here == "tests" or name in TOP or here == there:
        return None
    if "/" not in included:
        return f'"{included}" must be named from the root'
    if there not in ROOMS.get(here, set()) and (here, there) not in ONLY:
        return f"{here} must not include {there} ({included})"
    if included not in ONLY.get((here, there), {included}):
        return f"{here} must not include {included}, only {', '.join(ONLY[here, there])}"
    return None


def check_foreign(name, included):
    if included in OWNERS and name not in OWNERS[included]:
        return f"<{included}> belongs to {', '.join(sorted(OWNERS[included]))}"
    return None


def check_leaf(leaf, texts):
    """A unit and all its includes, direct and indirect."""
    ahead, seen = [leaf + ".c", leaf + ".h"], set()
    faults = []
    while ahead:
        name = ahead.pop()
        if name in seen or name not in texts:
            continue
        seen.add(name)
        for line, _, included in source.includes(texts[name]):
            if included in UNSEEN:
                faults.append(f"{name}:{line}: {leaf} is a pure function of its input and must "
                              f"not see {included}")
            ahead.append(included)
    for name in (leaf + ".c", leaf + ".h"):
        for found in CLOCKS.finditer(source.code(texts.get(name, ""))):
            faults.append(f"{name}: {leaf} must not ask a clock ({found.group(1)})")
    return faults


def check_map(texts, hacking):
    """Units that the map in HACKING.md does not name in the row of their room."""
    rows = {row.group(1): re.findall(r"`([\w*]+)`", row.group(2))
            for row in re.finditer(r"^\| `([\w/]+)/` \| (.*) \|$", hacking, re.MULTILINE)}
    return [f"{name}: HACKING.md does not name it in the row of {room(name)}/"
            for name in texts if name.endswith(".c") and room(name) in ROOMS and "/examples/" not in name
            and not any(fnmatch.fnmatch(os.path.basename(unit(name)), unit_name)
                        for unit_name in rows.get(room(name), []))]


def missing(texts):
    """Names in the tables above that the tree does not have: a rename must not disable a check."""
    named = {f"{leaf}.c" for leaf in LEAVES} | TOP | {name for owners in OWNERS.values() for name in owners}
    return [f"{name}: named in tests/includes.py, but not in the tree" for name in sorted(named)
            if name not in texts]


def self_test():
    bad = {
        "proto/a.c": '#include "agent/log.h"\n',
        "agent/config/a.c": '#include "agent/count/cache.h"\n',
        "agent/count/a.c": '#include "agent/ipc/server.h"\n',
        "agent/ipc/a.c": '#include "client/tally.h"\n',
        "client/a.c": '#include "client/cli/cli.h"\n',
        "client/cli/a.c": '#include "client/connection.h"\n',
        "agent/count/b.c": "#include <uv.h>\n",
        "agent/aws/a.c": '#include "call.h"\n',
        "agent/aws/sigv4.h": '#include "agent/aws/x.h"\n',
        "agent/aws/x.h": '#include "agent/loop.h"\n',
        "agent/count/c.h": '#include "agent/count/d.h"\n',
        "agent/count/d.c": '#include "agent/count/c.h"\n',
        "proto/reader.c": "long now(void)\n{\n    return time(0);\n}\n",
        "agent/aws/y.h": "struct y;\nint y_open(struct y *y,\n    int n);\n",
        "agent/aws/y.c": "static int y_open(struct y *y, int n)\n{\n    return n;\n}\n",
        "agent/aws/w.h": "int y_open(void);\n",
        "agent/aws/w.c": "w_fn w_one;\n",
        "agent/aws/v.c": "int y_open(void);\n",
    }
    good = {
        "agent/main.c": '#include "agent/ipc/server.h"\n',
        "agent/ipc/a.c": '#include "agent/count/counter.h"\n#include "proto/buffer.h"\n',
        "client/cli/a.c": '#include "client/tally.h"\n',
        "agent/loop.c": "#include <uv.h>\n",
        "proto/reader.c": "/* time() is not asked */\n",
        "agent/ipc/z.h": "_Static_assert(1, \"z\");\nextern void (*hook)(int);\n"
                         "__attribute__((noreturn)) void z_die(void);\nstruct z {\n    int n;\n};\nconst char *z_name(struct z *z) __attribute__((pure));\n",
        "agent/ipc/z.c": "static int help(void);\nconst char *z_name(\n    struct z *z)\n{\n    return 0;\n}\n\n"
                         "void z_die(void)\n{\n    help();\n}\n",
    }
    faults = check(bad)
    missed = [name for name in bad if name != "agent/aws/sigv4.h"
              and not any(line.startswith(name + ":") or unit(name) in line for line in faults)]
    missed += [] if missing({"agent/main.c": ""}) else ["a leaf that is gone"]
    row = "| `agent/ipc/` | `method_*`, `reply` |\n"
    missed += [] if check_map({"agent/ipc/z.c": ""}, row) else ["a unit without a place in the map"]
    missed += check_map({"agent/ipc/method_z.c": "", "agent/ipc/reply.c": ""}, row)
    return [f"not found: {name}" for name in missed] + [f"found: {line}" for line in check(good)]


def main():
    faults = self_test()
    if "--self-test" not in sys.argv:
        texts = {name: source.read(name) for name in source.files()}
        faults += check(texts) + missing(texts) + check_map(texts, source.read("HACKING.md"))
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
