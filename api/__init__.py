"""The process and its doors: HTTP, sign-in, ingest, live socket, worker, push sender and CLI."""
