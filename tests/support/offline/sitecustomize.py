# SPDX-License-Identifier: Apache-2.0
"""Put first on PYTHONPATH by tests that start programs: any use of the network ends the program that tries it."""

import os
import sys

FORBIDDEN = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}


def _forbid(event, arguments):
    if event in FORBIDDEN:
        sys.stderr.write(f"the network was used: {event} {arguments[-1]!r}\n")
        sys.stderr.flush()
        os._exit(99)


sys.addaudithook(_forbid)
