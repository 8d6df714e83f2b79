"""Keeping the API key out of everything that is printed or written: servers quote it in their complaints."""

from __future__ import annotations

from typing import Any

REPLACEMENT = "[redacted]"
SHORTEST_SECRET = 6
"""Placeholders such as `EMPTY` or `x` are no secrets, and occur in harmless text."""


class Redactor:
    """Replaces one secret in any value; made from None it replaces nothing."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret if secret is not None and len(secret) >= SHORTEST_SECRET else None

    def __call__(self, value: Any) -> Any:
        """The same value, the secret replaced in every text of it, however deep."""
        if self._secret is None:
            return value
        if isinstance(value, str):
            return value.replace(self._secret, REPLACEMENT)
        if isinstance(value, dict):
            return {self(key): self(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self(item) for item in value]
        return value
