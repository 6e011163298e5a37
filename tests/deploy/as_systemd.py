# SPDX-License-Identifier: Apache-2.0
"""Starts a program as systemd starts a service with a socket: as_systemd.py FD PROGRAM ARGUMENT..."""

import os
import sys

os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="tallyd.socket")
os.execv(sys.argv[2], sys.argv[2:])
