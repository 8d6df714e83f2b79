"""The parser of libyaml, ten times as fast as one in Python, with the scalars of YAML 1.2 instead of its own 1.1."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from evalyard.config.scalars import resolve

# Where libyaml is not there, its slow twin.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNQUOTED = "!unquoted"
_MERGE = "<<"


class Loader(_Safe):  # type: ignore[misc]
    """Reads plain data only. A key that is there twice is an error."""

    def resolve(self, kind: type[Any], value: Any, implicit: Any) -> Any:
        """Return the tag of a node that has none."""
        if kind is yaml.ScalarNode and implicit[0] and value != _MERGE:
            return _UNQUOTED
        return super().resolve(kind, value, implicit)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        """Return a mapping."""
        seen: set[Hashable] = set()
        for key_node in (key for key, _ in node.value if key.value != _MERGE):
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):  # any other is refused below
                if key in seen:
                    raise ConstructorError(None, None, f"the key '{key}' is there twice", key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _unquoted(_loader: Any, node: yaml.ScalarNode) -> Any:
    return resolve(node.value) if node.value not in ("", "~") else None


Loader.add_constructor(_UNQUOTED, _unquoted)
