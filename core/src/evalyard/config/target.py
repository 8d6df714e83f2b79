"""`target:` to the endpoint under test."""

from __future__ import annotations

import re

from evalyard.config.environment import host_variable
from evalyard.config.fields import Fields
from evalyard.config.node import Problems
from evalyard.specs import EndpointSpec, EnvVars

_KEYS = ("url", "model_id", "api_key_name", "type", "adapter_config")
_NOT_URL = re.compile(r"(?!https?://[^/\s])")


def read_endpoint(top: Fields, problems: Problems, *, served: bool) -> tuple[EndpointSpec, EnvVars]:
    """Return the endpoint, and the variable that its `api_key_name` declares.

    Args:
        top: the whole configuration.
        problems: takes the complaints.
        served: whether a deployment brings the URL and the model.
    """
    target = top.section("target", known=("api_endpoint",)).section("api_endpoint", known=_KEYS)
    endpoint = EndpointSpec(
        url=target.text("url"),
        model_id=target.text("model_id"),
        api_key_name=target.text("api_key_name"),
        type=target.text("type"),
        adapter_config=target.free("adapter_config"),
    )
    if served:
        for key, value in (("url", endpoint.url), ("model_id", endpoint.model_id)):
            if value is not None:
                target.complain(
                    key, "stands beside a deployment, which brings its own; remove one (-o deployment=none)"
                )
    elif endpoint.url is None:
        say = "needed where nothing is deployed: set it (-o target.api_endpoint.url=...), or add a `deployment:`"
        target.complain("url", say)
    elif _NOT_URL.match(endpoint.url):
        target.complain("url", "must begin with http:// or https:// and a host")
    key_node = target.node("api_key_name")
    if endpoint.api_key_name is None or key_node is None:
        return endpoint, {}
    return endpoint, host_variable(endpoint.api_key_name, key_node, "target.api_endpoint.api_key_name", problems)
