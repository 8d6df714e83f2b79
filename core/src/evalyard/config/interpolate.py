"""`???` and `${...}`: what is missing, what is a secret, and the values of all other expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from evalyard.config.node import MISSING, Keys, Node, Problems, show, transform, walk, with_place
from evalyard.config.references import without_expressions

_ENV_REFERENCE = re.compile(r"\$\{\s*oc\.env\s*:\s*(?P<name>[A-Za-z_]\w*)\s*(?:,\s*(?P<default>[^${}]*?)\s*)?\}")
_PREFIXES = ("host:", "lit:", "runtime:", "$host:", "$lit:", "$runtime:")


def check_missing(root: Node, problems: Problems) -> None:
    """Add every `???` to `problems`, each with the `-o` that sets it."""
    for keys, node in walk(root):
        if isinstance(node.value, str) and node.value == MISSING:
            path = show(keys)
            problems.settle(node.place, path, f"must be set; in the file, or with -o {path}=...")


def interpolate(root: Node, environ: Mapping[str, str], problems: Problems) -> Node:
    """Return the tree with every expression replaced by its value; what has none is added to `problems`."""
    if not _expressions(root):
        return root

    def keep_secret_out(keys: Keys, node: Node) -> Node:
        in_env = "env_vars" in keys and isinstance(node.value, str) and "${" in node.value
        return _by_name(keys, node, environ, problems) if in_env else node

    root = transform(root, _stays_until_it_runs)
    root = transform(root, keep_secret_out)
    found = _expressions(root)
    if not found:
        return root
    # OmegaConf takes long to load, and most configurations have no expression.
    from evalyard.config.expressions import Evaluation

    values = Evaluation(root, found, environ).values(problems)
    return transform(root, lambda keys, node: with_place(values[keys], node.place) if keys in values else node)


def _stays_until_it_runs(_: Keys, node: Node) -> Node:
    if not isinstance(node.value, str) or "${" not in node.value:
        return node
    text = without_expressions(node.value)
    return node if text == node.value else Node(text, node.place)


def escape(text: str) -> str:
    """Return a text that `interpolate` turns into this one."""
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", text)


def _expressions(root: Node) -> dict[Keys, Node]:
    return {keys: node for keys, node in walk(root) if isinstance(node.value, str) and "${" in node.value}


def _by_name(keys: Keys, node: Node, environ: Mapping[str, str], problems: Problems) -> Node:
    """Turn `${oc.env:NAME}` below `env_vars` into `host:NAME`: the value is a secret and stays out of all this."""
    text = str(node.value)
    match = _ENV_REFERENCE.fullmatch(text.removeprefix("host:"))
    if match is None:
        if "oc.env" in text and not text.startswith(("lit:", "$lit:")):
            say = "this would store the value of a variable; write host:NAME, or lit: before it if it is no secret"
            problems.settle(node.place, show(keys), say)
        return node
    name, default = match["name"], match["default"]
    if default is None or name in environ:
        return Node(f"host:{name}", node.place)
    default = default.strip("\"'")
    return Node(default if default.startswith(_PREFIXES) else f"lit:{default}", node.place)
