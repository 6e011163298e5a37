# SPDX-License-Identifier: Apache-2.0
"""Runs a program with a name server that receives queries and never answers:
black_hole.py PROGRAM ARGUMENT...

In its own network and mount namespace (as root, or if users may create namespaces)."""

import ctypes
import fcntl
import os
import socket
import struct
import sys
import tempfile

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
MS_BIND, MS_PRIVATE, MS_REC = 4096, 1 << 18, 16384
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def bring_up(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", interface, 0)
        name, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", name, flags | IFF_UP))


def main():
    user = 0 if os.geteuid() == 0 else CLONE_NEWUSER
    check(libc.unshare(user | CLONE_NEWNS | CLONE_NEWNET))
    check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    bring_up(b"lo")
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("nameserver 127.0.0.1\n")
        file.flush()
        check(libc.mount(file.name.encode(), os.path.realpath("/etc/resolv.conf").encode(), None,
                         MS_BIND, None))
    hole = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    hole.bind(("127.0.0.1", 53))
    os.set_inheritable(hole.fileno(), True)  # it stays open, unread, while the program runs
    os.execv(sys.argv[1], sys.argv[1:])


main()
