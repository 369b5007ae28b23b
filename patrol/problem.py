"""What every refusal has in common: a stable code, a message and the reader's next step."""

from __future__ import annotations

import re
from typing import Any, ClassVar


class Problem(Exception):
    """Something was refused."""

    code: ClassVar[str] = "PROBLEM"
    http_status: ClassVar[int] = 500
    what_to_do: ClassVar[str] = ""
    message_th: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # A general problem's words would be wrong for a special one.
        cls.message_th = cls.__dict__.get("message_th", "")
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).upper()

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        """`detail` replaces the general message for this one case; `extra` is shown to the client as data."""
        self.message = detail or self.default_message()
        self.extra = extra
        super().__init__(self.message)

    @classmethod
    def default_message(cls) -> str:
        return (cls.__doc__ or "").strip().splitlines()[0]

    def as_extensions(self) -> dict[str, Any]:
        """The `extensions` member of a GraphQL error, and the body of an HTTP one."""
        return {"code": self.code, "whatToDo": self.what_to_do, **self.extra}
