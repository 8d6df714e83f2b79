"""`${a.b}` and `${oc.env:VAR}`: OmegaConf reads the expressions, the places stay ours.

OmegaConf is loaded only for a configuration that holds an expression, and is shown the parts of big lists that hold
none as closed boxes: it needs a node object for every value, and a thousand tasks would take most of a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from evalyard.config.node import MISSING, Keys, Node, Plain, Problems, plain, show, transform, walk, with_place

_ENV_REFERENCE = re.compile(r"\$\{\s*oc\.env\s*:\s*(?P<name>[A-Za-z_]\w*)\s*(?:,\s*(?P<default>[^${}]*?)\s*)?\}")
_ENV_CALL = re.compile(r"(?<!\\)(?P<escapes>(?:\\\\)*)\$\{\s*oc\.env\s*:")
_LOOKS_INTO_PARENTS = re.compile(r"oc\.(select|dict|deprecated|create)|select_not_null")
_ENV_RESOLVER = "evalyard.env"
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

    root = transform(root, keep_secret_out)
    found = _expressions(root)
    if not found:
        return root
    values = _Evaluation(root, found, environ).values(problems)
    return transform(root, lambda keys, node: with_place(values[keys], node.place) if keys in values else node)


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


class _Box:
    """A part of the tree that holds no expression, closed to OmegaConf."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        # What OmegaConf writes when a mapping is interpolated into a text.
        return repr(plain(self.node))


class _UnsetVariableError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Evaluation:
    """Evaluates the expressions of one tree."""

    def __init__(self, root: Node, found: Mapping[Keys, Node], environ: Mapping[str, str]) -> None:
        self._root = root
        self._found = found
        self._environ = environ
        self._open = {keys[:depth] for keys in found for depth in range(len(keys) + 1)}
        self._may_box = not any(_LOOKS_INTO_PARENTS.search(str(node.value)) for node in found.values())

    def values(self, problems: Problems) -> dict[Keys, Plain]:
        """Return the value of every expression by key path."""
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        OmegaConf.register_resolver(_ENV_RESOLVER, self._env, replace=True, annotation_validation="off")
        try:
            broken = self._check_grammar(problems)
            if self._may_box:
                values: dict[Keys, Plain] = {}
                try:
                    config = self._create(broken, boxed=True)
                    for keys in self._found.keys() - broken:
                        values[keys] = _evaluate(config, keys)
                    return values
                except (OmegaConfBaseException, _UnsetVariableError):
                    # Perhaps an expression looks into a box. The whole tree tells, and tells why.
                    values.clear()
            return self._evaluate_all(self._create(broken, boxed=False), broken, problems)
        finally:
            OmegaConf.clear_resolver(_ENV_RESOLVER)

    def _env(self, name: str, *default: str | None) -> str | None:
        if name in self._environ:
            return self._environ[name]
        if default:
            return None if default[0] is None else str(default[0])
        raise _UnsetVariableError(name)

    def _check_grammar(self, problems: Problems) -> set[Keys]:
        from omegaconf import OmegaConf
        from omegaconf.errors import GrammarParseError

        broken = set()
        for keys, node in self._found.items():
            try:
                OmegaConf.create({"text": node.value})
            except GrammarParseError:
                problems.settle(node.place, show(keys), "not a valid ${...} expression" + _SHELL_HINT)
                broken.add(keys)
        return broken

    def _create(self, broken: set[Keys], *, boxed: bool) -> Any:
        from omegaconf import OmegaConf

        return OmegaConf.create(self._data(self._root, (), broken, boxed=boxed), flags={"allow_objects": True})

    def _data(self, node: Node, keys: Keys, broken: set[Keys], *, boxed: bool) -> Any:
        if isinstance(node.value, dict):
            return {key: self._data(child, (*keys, key), broken, boxed=boxed) for key, child in node.value.items()}
        if isinstance(node.value, list):
            return [
                _Box(item)
                if boxed and (*keys, index) not in self._open and isinstance(item.value, dict | list)
                else self._data(item, (*keys, index), broken, boxed=boxed)
                for index, item in enumerate(node.value)
            ]
        if keys in broken:
            return None
        if keys in self._found:
            return _ENV_CALL.sub(rf"\g<escapes>${{{_ENV_RESOLVER}:", str(node.value))
        return node.value

    def _evaluate_all(self, config: Any, broken: set[Keys], problems: Problems) -> dict[Keys, Plain]:
        from omegaconf.errors import OmegaConfBaseException

        values: dict[Keys, Plain] = {}
        for keys, node in self._found.items():
            if keys in broken:
                continue
            try:
                values[keys] = _evaluate(config, keys)
            except (OmegaConfBaseException, _UnsetVariableError) as error:
                problems.settle(node.place, show(keys), _reason(error, str(node.value)))
        return values


_SHELL_HINT = r"; for the shell's own ${NAME} write $NAME or \${NAME}"


def _reason(error: BaseException, text: str) -> str:
    """Say what is wrong without OmegaConf's words, which may hold the value of a variable."""
    from omegaconf.errors import (
        InterpolationKeyError,
        InterpolationToMissingValueError,
        UnsupportedInterpolationType,
    )

    for cause in _causes(error):
        if isinstance(cause, _UnsetVariableError):
            return f"the environment variable {cause.name} is not set"
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    if isinstance(error, InterpolationToMissingValueError):
        return f"{shown} needs a value that is not set"
    if isinstance(error, UnsupportedInterpolationType):
        return f"{shown}: no such function{_SHELL_HINT}"
    if isinstance(error, InterpolationKeyError):
        return f"{shown} names nothing in this configuration{_SHELL_HINT}"
    if "Recursive" in str(error):
        return f"{shown} leads back to itself"
    return f"{shown} cannot be evaluated"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _evaluate(config: Any, keys: Keys) -> Plain:
    from omegaconf.errors import OmegaConfBaseException

    try:
        for key in keys:
            config = config[key]
        return _plain(config)
    except OmegaConfBaseException as error:
        if any(isinstance(cause, RecursionError) for cause in _causes(error)):
            # No one expression is at fault, and each of the others would take as long to fail.
            raise RecursionError from error
        raise


def _plain(value: Any) -> Plain:
    from omegaconf import OmegaConf

    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value, resolve=True)
    if isinstance(value, _Box):
        return plain(value.node)
    if isinstance(value, dict):
        return {str(key): _plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
