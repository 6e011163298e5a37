# SPDX-License-Identifier: Apache-2.0
"""Run in a new network namespace: adds addresses, passes back sockets that listen there, and
executes the command.

    enter_namespace.py FD ADDRESS:PORT… -- COMMAND…
"""

import os
import socket
import subprocess
import sys


def main(channel, *arguments):
    end = arguments.index("--")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    listeners = []
    for place in arguments[:end]:
        address, _, port = place.partition(":")
        if not address.startswith("127."):
            subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
        listeners.append(socket.create_server((address, int(port))))
    with socket.socket(fileno=int(channel)) as there:
        socket.send_fds(there, [b"."], [listener.fileno() for listener in listeners])
    os.execvp(arguments[end + 1], arguments[end + 1:])


main(*sys.argv[1:])
