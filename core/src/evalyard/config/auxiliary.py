"""`auxiliary_deployments:` to the further model servers to start."""

from __future__ import annotations

import re

from attrs import evolve

from evalyard.config.deployment import laid_on_type, read_server
from evalyard.config.fields import Fields
from evalyard.config.node import Node, Problems, did_you_mean, kind
from evalyard.ids import server_key
from evalyard.specs import AuxiliarySpec, DeploymentSpec, EnvVars

_SECTION = "auxiliary_deployments"
_SIZES = ("num_nodes", "num_instances", "n_tasks")
_OWN_KEYS = ("env_prefix", "command_template", *_SIZES)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,16}")
_PREFIX = re.compile(r"[A-Z][A-Z0-9_]*")
RESERVED_PREFIXES = ("SLURM", "PRIMARY", "MODEL", "SERVER", "EVALYARD")


def laid_on_defaults(root: Node) -> Node:
    """Return the configuration with its further servers laid on what their types start from."""
    section = root.value.get(_SECTION) if isinstance(root.value, dict) else None
    if section is None or not isinstance(section.value, dict) or not isinstance(root.value, dict):
        return root
    laid = {name: laid_on_type(node) for name, node in section.value.items()}
    return Node({**root.value, _SECTION: Node(laid, section.place)}, root.place)


def read_auxiliary(top: Fields, env: EnvVars, problems: Problems) -> tuple[AuxiliarySpec, ...]:
    """Return the further servers to start; those of type `none` are left out. `env` are the top level's variables."""
    entries = top.mapping(_SECTION)
    section = top.section(_SECTION, known=tuple(entries))
    found: list[AuxiliarySpec] = []
    for name, node in entries.items():
        if not _NAME.fullmatch(name):
            section.complain(name, "a name here has letters, digits, - and _, begins with a letter, and at most 17")
        if not isinstance(node.value, dict):
            section.complain(name, f"is {kind(node)}; must be a mapping")
            continue
        fields, server = read_server(section, name, env, problems, own_keys=_OWN_KEYS)
        prefix = fields.text("env_prefix") or re.sub(r"[^A-Z0-9]", "_", name.upper())
        _check(fields, prefix)
        if server is None:
            continue
        for other in found:
            if other.env_prefix == prefix:
                fields.complain("env_prefix", f"{prefix} is that of {other.name} too")
            elif server_key(other.name) == server_key(name):
                section.complain(name, f"differs from {other.name} only in letters that names elsewhere cannot have")
        server = evolve(server, command=_command(fields, server))
        found.append(AuxiliarySpec(name=name, env_prefix=prefix, server=server))
    return tuple(found)


def _check(fields: Fields, prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix):
        fields.complain("env_prefix", f"'{prefix}' cannot begin a variable's name; write it as in JUDGE")
    elif prefix in RESERVED_PREFIXES:
        fields.complain("env_prefix", f"{prefix} is taken, as are {', '.join(RESERVED_PREFIXES)}; set another one")
    for key in _SIZES:
        if (fields.integer(key) or 1) != 1:
            fields.complain(key, "an auxiliary deployment is one server on one node in this version")


def _command(fields: Fields, server: DeploymentSpec) -> str | None:
    """Return its command; that of a `command_template` has the values of its other keys in place of `{key}`."""
    template = fields.text("command_template")
    if server.command or not template:
        return server.command
    folder = '"$EVALYARD_CHECKPOINT"' if server.checkpoint_path else None
    model = folder or server.hf_model_handle
    values = fields.data() | {"checkpoint_path": folder, "hf_model_handle_or_checkpoint": model, "port": "{port}"}

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            fields.complain("command_template", f"{match[0]} is no key of this section{did_you_mean(match[1], values)}")
        written = values.get(match[1])
        return "" if written is None else str(written)

    return re.sub(r"\{([a-z][a-z0-9_]*)\}", value, template)
