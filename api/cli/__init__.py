"""The command `patrol`: one file for each noun, thin over the rules; heavy libraries are imported when a command runs."""

from __future__ import annotations

import os
import sys
import traceback


def main() -> None:
    """Runs the command line of this process."""
    from api.cli.app import app
    from api.cli.exits import Exit

    try:
        app()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe has seen enough; nothing may be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.DONE)
    except Exception:
        traceback.print_exc()
        sys.exit(Exit.MISTAKE)
