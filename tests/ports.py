"""Ports for servers that tests start."""

import secrets
import socket
from contextlib import suppress

LOWEST, COUNT = 20_000, 12_000  # below those that systems give to outgoing connections
_given: set[int] = set()  # whose servers may not listen yet


def free_port() -> int:
    """A port that nobody uses, and that no connection of this machine is given before the server listens there."""
    for _ in range(100):
        port = LOWEST + secrets.randbelow(COUNT)
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
    raise OSError("no port is free")
