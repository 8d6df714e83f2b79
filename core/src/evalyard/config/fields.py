"""Typed access to the keys of one mapping: every accessor complains in the same words and never raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalyard.config.node import Node, Plain, Problems, did_you_mean, join_path, kind, plain

_NOWHERE: Mapping[str, str] = {}


class Fields:
    """The mapping at one key path. Reports its unknown keys at once, its wrong values when they are asked for."""

    def __init__(
        self,
        node: Node | None,
        path: str,
        problems: Problems,
        *,
        known: Sequence[str],
        elsewhere: Mapping[str, str] = _NOWHERE,
    ) -> None:
        """Look at a mapping.

        Args:
            node: the mapping; None or an empty value is one without keys.
            path: its key path.
            problems: takes the complaints.
            known: the keys that may be here.
            elsewhere: keys that are right only beside other values, and what to say; harmless while they are empty.
        """
        self.path = path
        self.broken = False
        """Whether something else than a mapping stands here."""
        self._problems = problems
        self._place = node.place if node is not None else ""
        self._entries: dict[str, Node] = {}
        if node is None or node.value is None:
            return
        if not isinstance(node.value, dict):
            self.broken = True
            problems.add(node.place, path, f"is {kind(node)}; must be a mapping of {', '.join(known[:3])} ...")
            return
        self._entries = node.value
        for key, child in node.value.items():
            if key in known:
                continue
            if key not in elsewhere:
                problems.add(child.place, join_path(path, key), f"unknown key{did_you_mean(key, known)}")
            elif child.value:
                problems.add(child.place, join_path(path, key), elsewhere[key])

    def node(self, key: str) -> Node | None:
        """Return what stands at a key."""
        return self._entries.get(key)

    def complain(self, key: str, text: str) -> None:
        """Add a problem with this key, whether it is there or not."""
        node = self.node(key)
        self._problems.add(node.place if node is not None else self._place, join_path(self.path, key), text)

    def text(self, key: str) -> str | None:
        """Return a text, None where there is none. A number is the text that it was written as: `007` stays `007`."""
        node = self.node(key)
        if node is None or node.value is None or isinstance(node.value, str):
            return node.value if node is not None and isinstance(node.value, str) else None
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return node.raw if node.raw is not None else str(node.value)
        quotes = "; put it in quotes" if isinstance(node.value, bool) else ""
        self.complain(key, f"{kind(node)} is not a text{quotes}")
        return None

    def required_text(self, key: str) -> str:
        """Return a text that must be there; the empty text once that was complained about."""
        node = self.node(key)
        text = self.text(key)
        if not text and not self.broken and (node is None or node.value in (None, "")):
            self.complain(key, f"missing; set it in the file, or with -o {join_path(self.path, key)}=...")
        return text or ""

    def integer(self, key: str) -> int | None:
        """Return a whole number, None where there is none."""
        node = self.node(key)
        if node is None or node.value is None:
            return None
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return node.value
        self.complain(key, f"{kind(node)} is not an integer")
        return None

    def boolean(self, key: str) -> bool | None:
        """Return true or false, None where there is neither."""
        node = self.node(key)
        if node is None or node.value is None or isinstance(node.value, bool):
            return node.value if node is not None and isinstance(node.value, bool) else None
        self.complain(key, f"{kind(node)} is not true or false")
        return None

    def mapping(self, key: str) -> dict[str, Node]:
        """Return the entries of a mapping whose keys are free."""
        node = self.node(key)
        if node is None or node.value is None:
            return {}
        if isinstance(node.value, dict):
            return node.value
        self.complain(key, f"is {kind(node)}; must be a mapping")
        return {}

    def free(self, key: str) -> dict[str, Plain]:
        """Return a mapping that is free-form all the way down."""
        return {name: plain(node) for name, node in self.mapping(key).items()}

    def data(self) -> dict[str, Plain]:
        """Return everything that is here, without its places."""
        return {name: plain(node) for name, node in self._entries.items()}

    def section(self, key: str, *, known: Sequence[str], elsewhere: Mapping[str, str] = _NOWHERE) -> Fields:
        """Return the mapping below a key; an absent one has no keys."""
        path = join_path(self.path, key)
        return Fields(self.node(key), path, self._problems, known=known, elsewhere=elsewhere)
