"""Real servers that receive what fallback channels tell: a webhook, and a mail server; both remember everything."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Listener:
    """What a server was told, and how it answers: `status`, only when `released`, or never when `cut`."""

    port: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    status: int = 200
    cut: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """The address of a channel that leads here; the token in it is a secret."""
        return f"json://127.0.0.1:{self.port}/hook/s3cr3t-token"

    @property
    def texts(self) -> list[str]:
        """What people would read, title and text."""
        return [f"{one['title']}\n{one['message']}" for one in self.told]


@contextmanager
def webhook() -> Iterator[Listener]:
    """A web server on a free port that takes JSON."""
    listener = Listener()
    listener.released.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            listener.paths.append(self.path)
            listener.told.append(json.loads(body))
            listener.released.wait(30)
            if listener.cut:
                self.connection.close()
                return
            self.send_response(listener.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            listener.paths.append(self.path)
            listener.released.wait(30)
            self.send_response(listener.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        listener.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            listener.released.set()
            server.shutdown()
            thread.join()


@dataclass
class Post:
    """A mail server's box."""

    port: int = 0
    mails: list[tuple[str, str]] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        body = mail.get_body(("plain", "html"))
        assert body is not None
        self.mails.append((str(mail["subject"]), body.get_content()))
        return "250 taken"


@contextmanager
def mail_server() -> Iterator[Post]:
    """An SMTP server on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        post = Post(free.getsockname()[1])
    controller = Controller(post, hostname="127.0.0.1", port=post.port)
    controller.start()
    try:
        yield post
    finally:
        controller.stop(no_assert=True)
