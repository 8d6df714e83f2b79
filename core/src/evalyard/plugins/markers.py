"""The markers that tie implementations to our hooks."""

import pluggy

PROJECT = "evalyard"

API = 1
"""The version of the hooks. An executor or extension says which one it was written for in its `api` attribute."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a method that answers the hook of its name; an extension's wraps it: `hookimpl(wrapper=True)`."""
