"""`deployment:` to the model server to start."""

from __future__ import annotations

from evalyard.config.deployment_types import DEPLOYMENT_TYPES
from evalyard.config.environment import overlay, read_env_vars
from evalyard.config.fields import Fields
from evalyard.config.node import Node, Problems, did_you_mean, kind, merge, with_place
from evalyard.config.sections import to_section
from evalyard.config.typed import structured
from evalyard.specs import DeploymentSpec, EnvVars, Section, ServerPaths

_KEYS = (
    *("type", "command", "image", "port", "served_model_name", "endpoints", "env_vars", "pre_cmd"),
    *("checkpoint_path", "cache_path", "hf_model_handle", "multiple_instances"),
)
_CONFIG = "_config"
"""How the keys end under which one executor alone is told something: `lepton_config`."""
_PATHS = ("chat", "completions", "health", "embedding", "ranking")
_MAX_PORT = 65535


def laid_on_defaults(root: Node) -> Node:
    """Return the configuration with its deployment laid on what its type starts from."""
    node = root.value.get("deployment") if isinstance(root.value, dict) else None
    if node is None or not isinstance(root.value, dict):
        return root
    return Node({**root.value, "deployment": laid_on_type(node)}, root.place)


def laid_on_type(node: Node) -> Node:
    """Return the section of a model server, laid on what its type starts from."""
    written = node.value.get("type") if isinstance(node.value, dict) else None
    kind_of_server = DEPLOYMENT_TYPES.get(written.value) if written and isinstance(written.value, str) else None
    if kind_of_server is None or not kind_of_server.start:
        return node
    return merge(with_place(kind_of_server.start, node.place), node)


def is_served(top: Fields) -> bool:
    """Return whether the configuration asks for a deployment, even one with mistakes in it."""
    return _asks_for_one(top.node("deployment"))


def _asks_for_one(node: Node | None) -> bool:
    if node is None or node.value is None:
        return False
    written = node.value.get("type") if isinstance(node.value, dict) else None
    return written is None or written.value != "none"


def read_deployment(top: Fields, env: EnvVars, problems: Problems) -> DeploymentSpec | None:
    """Return the model server to start, None where an endpoint is given. `env` are the variables of the top level."""
    return read_server(top, "deployment", env, problems)[1]


def read_server(
    top: Fields, key: str, env: EnvVars, problems: Problems, *, own_keys: tuple[str, ...] = ()
) -> tuple[Fields, DeploymentSpec | None]:
    """Return one section of a model server, and what it asks for; None where its type is none.

    Args:
        top: what the section is in.
        key: its key there.
        env: the variables of the top level.
        problems: takes the complaints.
        own_keys: what it may hold beside what all such sections may.
    """
    node = top.node(key)
    name = _type_name(node)
    options = DEPLOYMENT_TYPES[name].keys if name is not None and name in DEPLOYMENT_TYPES else ()
    others = {key for known in DEPLOYMENT_TYPES.values() for key in known.keys} - {*options}
    if name == "none" or name not in DEPLOYMENT_TYPES:
        # Beside `none` stand leftovers of another choice; beside a wrong name, nobody knows what may stand.
        options, others = (*options, *others), set()
    told = _executors_keys(node)
    fields = top.section(key, known=(*_KEYS, *told, *own_keys, *options), elsewhere=_homes(others, name))
    if fields.broken or not _asks_for_one(node):
        return fields, None
    written = fields.required_text("type")
    if written and written not in DEPLOYMENT_TYPES:
        meant = did_you_mean(written, DEPLOYMENT_TYPES)
        fields.complain("type", f"{kind(written)} is none of {', '.join(DEPLOYMENT_TYPES)}{meant}")
    paths = fields.section("endpoints", known=_PATHS)
    port = fields.integer("port")
    if port is not None and not 0 <= port <= _MAX_PORT:
        fields.complain("port", f"must be between 0 (any free port) and {_MAX_PORT}")
    return fields, DeploymentSpec(
        type=written,
        command=fields.text("command"),
        image=fields.text("image"),
        port=port,
        served_model_name=fields.text("served_model_name"),
        endpoints=ServerPaths(**{path: paths.text(path) for path in _PATHS}),
        env=overlay(env, read_env_vars(fields.node("env_vars"), f"{fields.path}.env_vars", problems)),
        pre_cmd=fields.text("pre_cmd") or None,
        checkpoint_path=fields.text("checkpoint_path") or None,
        cache_path=fields.text("cache_path") or None,
        hf_model_handle=fields.text("hf_model_handle") or None,
        multiple_instances=fields.boolean("multiple_instances") or False,
        options=_options(node, written, fields.path, problems),
        executor_config=_executor_config(fields, told),
        path=fields.path,
        places=_places(node),
    )


def _places(node: Node | None) -> dict[str, str]:
    if node is None or not isinstance(node.value, dict):
        return {}
    return {"": node.place, **{key: child.place for key, child in node.value.items()}}


def _type_name(node: Node | None) -> str | None:
    written = node.value.get("type") if node is not None and isinstance(node.value, dict) else None
    return written.value if written is not None and isinstance(written.value, str) else None


def _homes(keys: set[str], name: str | None) -> dict[str, str]:
    """Return what to say of keys that only other types have."""
    homes = {key: [kind for kind, known in DEPLOYMENT_TYPES.items() if key in known.keys] for key in keys}
    return {key: f"not for type {name}; it belongs to {', '.join(kinds)}" for key, kinds in homes.items()}


def _options(node: Node | None, name: str, path: str, problems: Problems) -> object | None:
    known = DEPLOYMENT_TYPES.get(name)
    if known is None or node is None or not isinstance(node.value, dict):
        return None
    own = {key: child for key, child in node.value.items() if key in known.keys}
    section = to_section(Node(own, node.place), name=name, path=path)
    return structured(section, known.options, problems)


def _executors_keys(node: Node | None) -> list[str]:
    keys = node.value if node is not None and isinstance(node.value, dict) else ()
    return [key for key in keys if key.endswith(_CONFIG) and key != _CONFIG]


def _executor_config(fields: Fields, keys: list[str]) -> Section | None:
    for key in keys:
        fields.mapping(key)
    if len(keys) > 1:
        fields.complain(keys[1], f"one executor runs it; {keys[0]} is there already")
    node = fields.node(keys[0]) if keys else None
    if node is None or not node.value:
        return None
    return to_section(node, name=keys[0].removesuffix(_CONFIG), path=f"{fields.path}.{keys[0]}")
