"""Turns every expected fault into one line and an exit code; a traceback is left to mistakes of ours.

0    done
1    done, and the answer is no: `check` found a refusal, `audit verify` a broken chain, `demo` a difference
2    the command was written wrongly
3    a setting is missing or cannot be used
4    the database, the store or another server cannot be reached or may not be used
5    a rule refused it: what was named is not there, exists already, or the file has errors
70   a mistake of ours, with a traceback
130  interrupted
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import Any, NoReturn, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Exit(IntEnum):
    """The exit codes; stable, because scripts rely on them."""

    DONE = 0
    ANSWER_IS_NO = 1
    USAGE = 2
    SETTINGS = 3
    UNREACHABLE = 4
    REFUSED = 5
    MISTAKE = 70
    INTERRUPTED = 130


def plainly(command: Callable[P, None]) -> Callable[P, None]:
    """Wraps a command so that an expected fault ends it with one line on standard error and its exit code."""

    @functools.wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            sys.exit(Exit.INTERRUPTED)
        except Exception as error:
            code = code_of(error)
            if code is None:
                raise
            fail(code, sentence_of(error), getattr(error, "extra", {}).get("rows", ()))

    return told


def fail(code: Exit, message: str, rows: Any = ()) -> NoReturn:
    """Ends the process with the message, after one line for each row of a refused file."""
    for row in rows:
        sys.stderr.write(f"  {row['message']}\n")
    if len(rows) > 1:
        message = f"Nothing was imported: the file has {len(rows)} errors."
    sys.stderr.write(f"patrol: {message}\n")
    sys.exit(code)


def code_of(error: BaseException) -> Exit | None:
    """The exit code of an expected fault; None for a mistake of ours."""
    # Imported late: a command that goes well never needs them.
    from api.settings import SettingsWrong
    from api.trusted import OperationsMissing
    from patrol.errors import Problem
    from patrol.keys import SecretWrong
    from storage.faults import StorageFault

    if isinstance(error, BaseExceptionGroup):
        codes = {code_of(one) for one in error.exceptions}
        return codes.pop() if len(codes) == 1 else None
    if isinstance(error, SettingsWrong | SecretWrong | OperationsMissing):
        return Exit.SETTINGS
    if type(error).__name__ == "CredentialsUnfit":  # api.push takes half a second to import
        return Exit.SETTINGS
    if isinstance(error, StorageFault):
        return Exit.UNREACHABLE
    if isinstance(error, Problem):
        return Exit.REFUSED
    return None


def sentence_of(error: BaseException) -> str:
    """What is wrong and, where the catalogue knows it, what to do; in one line."""
    if isinstance(error, BaseExceptionGroup):
        return sentence_of(error.exceptions[0])
    return " ".join(str(getattr(error, "message", None) or error).split())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's work."""
    import asyncio

    return asyncio.run(work)
