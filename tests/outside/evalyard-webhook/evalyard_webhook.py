"""Posts the end of every job to a URL, as JSON."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence

import attrs
from attrs import frozen

from evalyard import Context, JobEnd, Transient, hookimpl


@frozen(kw_only=True)
class WebhookSettings:
    """`extensions.webhook`."""

    url: str
    token_name: str = ""
    """The variable with the token that the URL's server wants; empty = it wants none."""


class Webhook:
    """Tells a URL."""

    api = 1
    Settings = WebhookSettings

    def __init__(self, settings: WebhookSettings) -> None:
        self.settings = settings

    @hookimpl
    def ended(self, ctx: Context, ends: Sequence[JobEnd]) -> None:
        """Post one document with all ends; who does not answer is told again later."""
        headers = {"Content-Type": "application/json"}
        if self.settings.token_name:
            headers["Authorization"] = f"Bearer {ctx.secret(self.settings.token_name)}"
        body = json.dumps({"ends": [attrs.asdict(end) for end in ends]}).encode()
        request = urllib.request.Request(self.settings.url, data=body, headers=headers)
        try:
            urllib.request.urlopen(request, timeout=ctx.remaining_s).close()
        except OSError as error:
            raise Transient(f"webhook: {self.settings.url}: {error}") from error
