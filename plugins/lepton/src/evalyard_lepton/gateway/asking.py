"""How requests are made: each with a deadline, tried again with growing pauses, and created things only once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from evalyard import Context, Transient
from evalyard_lepton.gateway.client import client_of, quiet
from evalyard_lepton.gateway.errors import Conflict, told, wait_s

T = TypeVar("T")

MOST_TRIES = 5
FIRST_PAUSE_S = 0.5
"""Before a request that failed is tried again; it doubles each time."""
SHORTEST_PAUSE_S = 0.1
LONGEST_REQUEST_S = 60.0
CONNECT_S = 10.0


class Asking:
    """Requests to one workspace, within the time that a hook has."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._client = client_of(ctx)

    def pause(self, wanted_s: float = 0.0) -> None:
        """Wait before the next look at something, but not past the deadline.

        Args:
            wanted_s: 0 = as long as the run's looks are apart, and a little longer by chance.
        """
        apart_s = max(SHORTEST_PAUSE_S, self._ctx.connection.poll_interval_s) * random.uniform(1, 1.25)
        time.sleep(min(wanted_s or apart_s, self._ctx.remaining_s))

    def _timeout(self) -> float:
        return max(1.0, min(LONGEST_REQUEST_S, self._ctx.remaining_s))

    def _deployments(self) -> Any:
        """Return the API of endpoints. Which of the two it is, the SDK asks once in a process; where it gets no answer
        it takes the older one, for good.
        """
        from leptonai.api.v2.client import reset_new_deployment_api_flag_cache

        for _ in range(2):
            # The SDK asks with time limits of its own, whatever time the hook has: not before the service answers us.
            if self._client._deployment_api_workspace_info is None:  # noqa: SLF001 - nothing else tells a guess
                self._ask("the workspace", lambda: self._client.info(timeout=self._timeout()))
            with quiet():
                api = self._client.deployment
            if self._client._deployment_api_workspace_info is not None:  # noqa: SLF001
                return api
            reset_new_deployment_api_flag_cache(self._client.url)
        raise Transient("the workspace: the service does not say which API of endpoints it has")

    def _create(self, what: str, create: Callable[[], T], look_up: Callable[[], T | None]) -> T:
        for number in range(MOST_TRIES):
            try:
                return self._ask(f"creating {what}", create, tries=1)
            except (Transient, Conflict) as error:
                found = look_up()
                if found is not None:
                    return found
                if number == MOST_TRIES - 1 or self._ctx.remaining_s <= 0:
                    raise
                self._rest(number, error.__cause__)
        raise AssertionError("unreachable")

    def _ask(self, what: str, request: Callable[[], T], tries: int = MOST_TRIES) -> T:
        for number in range(tries):
            self._client._timeout = (CONNECT_S, self._timeout())  # noqa: SLF001 - its only setting
            try:
                with quiet():
                    return request()
            except Exception as error:
                meaning = told(what, error)
                if not isinstance(meaning, Transient):
                    raise meaning from error
                if number == tries - 1 or self._ctx.remaining_s <= 0 or wait_s(error) > self._ctx.remaining_s:
                    raise meaning from error
                self._rest(number, error)
        raise AssertionError("unreachable")

    def _rest(self, number: int, error: BaseException | None) -> None:
        wanted = FIRST_PAUSE_S * 2**number * random.uniform(0.8, 1.2)
        self.pause(max(wanted, wait_s(error)))
