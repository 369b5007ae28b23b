"""Lets `python -m api.cli` be the command `patrol`, for children that must not depend on PATH."""

from api.cli import main

main()
