"""The SDK's client of one workspace: who we are, and what of the SDK's manners is kept from users."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

from evalyard import BackendError, Context, SecretError
from evalyard_lepton.gateway.errors import LOGIN
from evalyard_lepton.workspaces import current_workspace

TOKEN_VARIABLE = "LEPTON_WORKSPACE_TOKEN"  # noqa: S105 - a name


def client_of(ctx: Context) -> Any:
    """Return the client of the workspace that a hook is to ask.

    Raises:
        BackendError: no workspace is named, or there is no token for it.
    """
    # `gc` without any record looks at what is current.
    address = ctx.connection.address or current_workspace()
    workspace, url = address.get("workspace", ""), address.get("url", "")
    with quiet():
        from leptonai.api.v2 import APIClient
        from leptonai.api.v2.workspace_record import WorkspaceRecord

        token = None
        try:
            # Looked up the way of all secrets, which takes it out of everything that is printed.
            token = ctx.secret(TOKEN_VARIABLE)
        except SecretError:
            if workspace and WorkspaceRecord.has(workspace):
                token = WorkspaceRecord.get(workspace).auth_token
        if not workspace or not token:
            missing = "no workspace is named" if not workspace else f"there is no token for workspace {workspace}"
            raise BackendError(missing, hint=LOGIN)
        key = (workspace, url, token)
        if key not in _clients:
            _clients[key] = APIClient(workspace, token, url or None)
            # requests would let a line of ~/.netrc take the token's place.
            _clients[key]._session.auth = lambda request: request  # noqa: SLF001 - its only way in
    return _clients[key]


_clients: dict[tuple[str, str, str], Any] = {}
"""One for each workspace and token: each has its own connections, and asks which API the workspace has."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the SDK's deprecations and its remarks on stderr to itself."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
