"""The values of `${...}`: OmegaConf reads the expressions, the places stay ours.

OmegaConf is shown the parts of big lists that hold no expression as closed boxes: it needs a node object for every
value, and a thousand tasks would take most of a second. What all expressions together may do is bounded: ten lines that
each name the next one ten times would otherwise take for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from omegaconf import AnyNode, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from evalyard.config.node import Keys, Node, Plain, Problems, plain, show, walk
from evalyard.errors import ConfigError

MAX_LOOKUPS_EACH = 60
MAX_LOOKUPS_BEYOND = 6_000
"""How often expressions may be read, all together: so often for each of them, and so often beyond that. OmegaConf reads
one about three times to evaluate it, and needs about half a millisecond for that."""
MAX_CHARACTERS = 16 * 2**20
"""What long texts and the values that expressions yield may add up to."""
_A_VALUE = 80
"""What a value counts for beside its text: 200 000 values are the most."""
LONG_TEXT = 500
"""Shorter texts are bounded well enough by the number of look-ups."""

_ENV_CALL = re.compile(r"(?<!\\)(?P<escapes>(?:\\\\)*)\$\{\s*oc\.env\s*:")
_LOOKS_INTO_PARENTS = re.compile(r"oc\.(select|dict|deprecated|create)|select_not_null")
_ENV_RESOLVER = "evalyard.env"
_FIRST_RESOLVER = "select_not_null"


class _Box:
    """A part of the tree that holds no expression, closed to OmegaConf."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        # What OmegaConf writes when a mapping is interpolated into a text.
        return repr(plain(self.node))


class _TooMuchError(Exception):
    """The expressions of this configuration go beyond the bounds."""


class _Budget:
    """What the expressions of one configuration may still do."""

    def __init__(self, expressions: int) -> None:
        self._lookups = MAX_LOOKUPS_EACH * expressions + MAX_LOOKUPS_BEYOND
        self._characters = MAX_CHARACTERS

    def spend(self, *, lookups: int = 0, characters: int = 0) -> None:
        """Take from what is left. Raises _TooMuchError when nothing is."""
        self._lookups -= lookups
        self._characters -= characters
        self.check()

    def check(self) -> None:
        """Raise _TooMuchError when nothing is left: OmegaConf hides the one that `spend` raised in one of its own."""
        if self._lookups < 0 or self._characters < 0:
            raise _TooMuchError


class _Counted(AnyNode):
    """A text that counts how often it is read: OmegaConf has no bound of its own."""

    def __init__(self, text: str, budget: _Budget, *, lookups: int) -> None:
        self.__dict__["_charge"] = lambda: budget.spend(lookups=lookups, characters=len(text))
        self.__dict__["_again"] = lambda: _Counted(text, budget, lookups=lookups)
        super().__init__(text)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Counted:
        # OmegaConf copies what it is given, and AnyNode's own method makes an AnyNode.
        copied: _Counted = self.__dict__["_again"]()
        self._deepcopy_impl(copied, memo)
        return copied

    def _value(self) -> Any:
        charge: Callable[[], None] = self.__dict__["_charge"]
        charge()
        return super()._value()


class _UnsetVariableError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Evaluation:
    """Evaluates the expressions of one tree."""

    def __init__(self, root: Node, found: Mapping[Keys, Node], environ: Mapping[str, str]) -> None:
        self._root = root
        self._found = found
        self._environ = environ
        self._open = {keys[:depth] for keys in found for depth in range(len(keys) + 1)}
        self._budget = _Budget(len(found))
        self._may_box = not any(_LOOKS_INTO_PARENTS.search(str(node.value)) for node in found.values())

    def values(self, problems: Problems) -> dict[Keys, Plain]:
        """Return the value of every expression by key path."""
        OmegaConf.register_resolver(_ENV_RESOLVER, self._env, replace=True, annotation_validation="off")
        OmegaConf.register_resolver(_FIRST_RESOLVER, _first_not_null, replace=True, annotation_validation="off")
        try:
            broken = self._check_grammar(problems)
            if self._may_box:
                values: dict[Keys, Plain] = {}
                try:
                    config = self._create(broken, boxed=True)
                    for keys in self._found.keys() - broken:
                        values[keys] = _evaluate(config, keys, self._budget)
                    return values
                except (OmegaConfBaseException, _UnsetVariableError):
                    # Perhaps an expression looks into a box. The whole tree tells, and tells why.
                    self._budget.check()
            return self._evaluate_all(self._create(broken, boxed=False), broken, problems)
        except _TooMuchError:
            node = next(iter(self._found.values()))
            raise ConfigError([f"{node.place}: the ${{...}} from here on expand beyond all measure"]) from None
        finally:
            OmegaConf.clear_resolver(_ENV_RESOLVER)
            OmegaConf.clear_resolver(_FIRST_RESOLVER)

    def _env(self, name: str, *default: str | None) -> str | None:
        if name in self._environ:
            self._budget.spend(characters=len(self._environ[name]))
            return self._environ[name]
        if default:
            return None if default[0] is None else str(default[0])
        raise _UnsetVariableError(name)

    def _check_grammar(self, problems: Problems) -> set[Keys]:
        broken = set()
        for keys, node in self._found.items():
            try:
                OmegaConf.create({"text": node.value})
            except GrammarParseError:
                problems.settle(node.place, show(keys), "not a valid ${...} expression" + _SHELL_HINT)
                broken.add(keys)
        return broken

    def _create(self, broken: set[Keys], *, boxed: bool) -> Any:
        self._budget = _Budget(len(self._found))
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
            text = _ENV_CALL.sub(rf"\g<escapes>${{{_ENV_RESOLVER}:", str(node.value))
            return _Counted(text, self._budget, lookups=1)
        if isinstance(node.value, str) and len(node.value) > LONG_TEXT:
            return _Counted(node.value, self._budget, lookups=0)
        return node.value

    def _evaluate_all(self, config: Any, broken: set[Keys], problems: Problems) -> dict[Keys, Plain]:
        values: dict[Keys, Plain] = {}
        for keys, node in self._found.items():
            if keys in broken:
                continue
            try:
                values[keys] = _evaluate(config, keys, self._budget)
            except (OmegaConfBaseException, _UnsetVariableError) as error:
                self._budget.check()
                problems.settle(node.place, show(keys), _reason(error, str(node.value)))
        return values


def _first_not_null(*keys: Any, _root_: Any) -> Any:
    """Return the value of the first key that has one; a last one that begins with `/` is a path and stands for itself.

    The form is older than this program: `${select_not_null:deployment.hf_model_handle,/checkpoint}`.
    """
    for key in map(str, keys):
        found = None if key.startswith("/") else OmegaConf.select(_root_, key)
        if found is not None:
            return found
    last = str(keys[-1]) if keys else ""
    return last if last.startswith("/") else None


_SHELL_HINT = r"; for the shell's own ${NAME} write $NAME or \${NAME}"


def _reason(error: BaseException, text: str) -> str:
    """Say what is wrong without OmegaConf's words, which may hold the value of a variable."""
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


def _evaluate(config: Any, keys: Keys, budget: _Budget) -> Plain:
    try:
        for key in keys:
            config = config[key]
        return _plain(config, budget)
    except OmegaConfBaseException as error:
        if any(isinstance(cause, RecursionError) for cause in _causes(error)):
            # No one expression is at fault, and each of the others would take as long to fail.
            raise RecursionError from error
        raise


def _plain(value: Any, budget: _Budget) -> Plain:
    # Not OmegaConf.to_container: that one writes out two to the power of 30 values without a word.
    budget.spend(characters=_A_VALUE + (len(value) if isinstance(value, str) else 0))
    if isinstance(value, _Box):
        found = plain(value.node)
        budget.spend(characters=_A_VALUE * sum(1 for _ in walk(value.node)))
        return found
    if isinstance(value, DictConfig | dict):
        return {str(key): _plain(value[key], budget) for key in value}
    if isinstance(value, ListConfig | list | tuple):
        return [_plain(value[index], budget) for index in range(len(value))]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
