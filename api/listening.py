"""Takes the HTTP server's port before anything else, so that a taken one is told at once and in plain words."""

from __future__ import annotations

import socket

from api.settings import SettingsWrong


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to the address but not yet listening; port 0 picks a free one.

    Raises:
        SettingsWrong: the address is not this machine's, or is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise SettingsWrong(
            f"The server cannot use {host} port {port}: {error.strerror or error}. "
            "Set PATROL_PORT to another port (0 picks a free one), or stop what uses it."
        ) from error
    return sock


def address_of(sock: socket.socket) -> str:
    """The HTTP address at which this machine reaches a bound socket."""
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # all addresses are also this one
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
