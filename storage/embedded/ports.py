"""Free port pairs, because each SeaweedFS component also takes its port + 10000."""

import secrets
import socket
from collections.abc import Iterable

GRPC_OFFSET = 10_000
# Both halves of a pair stay below 32768, where Linux begins to hand out ports to outgoing
# connections; such a connection could otherwise sit on our port when we come back.
_LOWEST, _HIGHEST = 20_000, 22_767


def pair_is_free(port: int) -> bool:
    """Whether `port` and `port` + 10000 can be listened on at 127.0.0.1."""
    return _is_free(port) and _is_free(port + GRPC_OFFSET)


def free_pairs(names: Iterable[str]) -> dict[str, int]:
    """A random free pair for each name; the lower port of it is given."""
    chosen: dict[str, int] = {}
    for name in names:
        while True:
            port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST + 1)
            if port not in chosen.values() and pair_is_free(port):
                chosen[name] = port
                break
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Without it the closed connections of a server that just stopped would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
