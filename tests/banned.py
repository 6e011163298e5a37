#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Finds banned calls in the C sources, and names the replacement of each."""

import re
import sys

import source

EVERYWHERE = {
    "alloca": "a buffer of fixed size",
    "asctime": "strftime", "ctime": "strftime", "gmtime": "gmtime_r", "localtime": "localtime_r",
    "atof": "a checked strtod", "atoi": "a checked strtol", "atol": "a checked strtol",
    "atoll": "a checked strtoll",
    "gethostbyname": "libcurl's own resolver",
    "gets": "read", "mktemp": "mkstemp", "tmpnam": "mkstemp",
    "popen": "nothing: no shell is ever needed", "system": "nothing: no shell is ever needed",
    "rand": "getrandom", "random": "getrandom", "srand": "getrandom",
    "signal": "sigaction, or loop_signal_create",
    "sprintf": "snprintf, or buffer_printf", "vsprintf": "vsnprintf",
    "stpcpy": "snprintf", "strcat": "snprintf, or buffer_append_string", "strcpy": "snprintf",
    "strncat": "snprintf", "strncpy": "snprintf, or memcpy with a known length",
    "strtok": "strcspn", "strtok_r": "strcspn",
    "uv_pipe_bind": "socket_path_listen: it cuts long paths", "uv_pipe_connect": "connect",
    "uv_write": "write: it costs a further system call",
}
# A library must not write to its program's terminal, exit, or change signal handlers.
LIBRARY = {name: "a return value" for name in (
    "abort", "exit", "_exit", "fprintf", "perror", "printf", "puts", "putchar", "sigaction",
    "setenv", "setlocale", "sigprocmask", "pthread_sigmask")}
# The agent and the bridge have one log, and one thread.
AGENT = {"perror": "log_event", "usleep": "a timer of the loop", "sleep": "a timer of the loop",
         "nanosleep": "a timer of the loop", "pthread_create": "the loop"}

CALL = re.compile(r"(?<![\w.>])([A-Za-z_]\w*)\s*\(")


def banned_in(name):
    programs = ("client/bridge/", "client/cli/", "client/examples/")
    if name.startswith("client/") and not name.startswith(programs):
        return {**EVERYWHERE, **LIBRARY}
    if name.startswith(("agent/", "client/bridge/")):
        return {**EVERYWHERE, **AGENT}
    return EVERYWHERE


def check(name, text):
    banned = banned_in(name)
    code = source.code(text)
    return [f"{name}:{code.count(chr(10), 0, found.start()) + 1}: {found.group(1)} is banned; use "
            f"{banned[found.group(1)]}"
            for found in CALL.finditer(code) if found.group(1) in banned]


def self_test():
    cases = [("agent/a.c", "strcpy(a, b);", 1), ("agent/a.c", "/* strcpy(a, b) */", 0),
             ("agent/a.c", 'x("strcpy(a)");', 0), ("agent/a.c", "my_strcpy(a);", 0),
             ("agent/a.c", "options.random();", 0), ("client/a.c", "exit(1);", 1),
             ("client/cli/a.c", "exit(1);", 0),
             ("client/bridge/a.c", "exit(1);", 0), ("client/bridge/a.c", "sleep(1);", 1), ("client/examples/a.c", "exit(1);", 0),
             ("agent/a.c", "sleep (1);", 1), ("tests/a.c", "sprintf(a, b);", 1)]
    return [f"self-test: {text} in {name}" for name, text, wanted in cases
            if len(check(name, text)) != wanted]


def main():
    faults = self_test()
    for name in source.files():
        if name != "tests/gateway/loopback.c":
            faults += check(name, source.read(name))
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
