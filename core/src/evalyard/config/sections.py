"""The parts of a configuration whose types plugins declare: they leave as Sections."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from evalyard.config.environment import read_env_vars
from evalyard.config.fields import Fields
from evalyard.config.node import Node, Problems, join_path, kind, plain, show, walk
from evalyard.specs import EnvValue, Section

_AUTO_EXPORT = "auto_export"
_ENV_VARS = "env_vars"


def read_execution(top: Fields, problems: Problems) -> tuple[Section, tuple[str, ...]]:
    """Return the `execution:` section, and the destinations of its `auto_export`, which are core's business."""
    node = top.node("execution")
    nothing = Section(name="", path="execution", data={})
    if node is None or node.value is None:
        place = node.place if node is not None else ""
        problems.add(
            place, "execution", "missing; say where to run, as in `execution: {type: local}` or -o execution=local"
        )
        return nothing, ()
    if not isinstance(node.value, dict):
        problems.add(node.place, "execution", f"is {kind(node)}; must be a mapping such as {{type: local}}")
        return nothing, ()
    # Only the executor knows what else belongs here.
    fields = Fields(node, "execution", problems, known=tuple(node.value))
    section = to_section(node, name=fields.required_text("type"), path="execution")
    data = {key: value for key, value in section.data.items() if key not in {"type", _AUTO_EXPORT}}
    automatic = fields.mapping(_AUTO_EXPORT)
    rest = {key: plain(child) for key, child in automatic.items() if key != "destinations"}
    if rest:
        data[_AUTO_EXPORT] = rest
    return evolve(section, data=data), _destinations(automatic.get("destinations"), problems)


def _destinations(node: Node | None, problems: Problems) -> tuple[str, ...]:
    if node is None or node.value is None:
        return ()
    items = node.value if isinstance(node.value, list) else []
    names = tuple(item.value for item in items if isinstance(item.value, str))
    if not isinstance(node.value, list) or len(names) < len(items):
        problems.add(node.place, "execution.auto_export.destinations", "must be a list of names, such as [local]")
    return names


def read_exports(top: Fields, problems: Problems) -> tuple[tuple[Section, ...], dict[str, EnvValue]]:
    """Return every `export.<destination>` as a Section, and the variables of all of them."""
    variables = read_env_vars(top.mapping("export").get(_ENV_VARS), f"export.{_ENV_VARS}", problems)
    return read_sections(top, "export", problems, skip=(_ENV_VARS,)), variables


def read_sections(top: Fields, key: str, problems: Problems, skip: Sequence[str] = ()) -> tuple[Section, ...]:
    """Return every mapping below `key`, save those in `skip`, as a Section."""
    found = []
    for name, node in top.mapping(key).items():
        path = join_path(key, name)
        if name in skip:
            continue
        if node.value is None or isinstance(node.value, dict):
            found.append(to_section(node, name=name, path=path))
        else:
            problems.add(node.place, path, f"is {kind(node)}; must be a mapping")
    return tuple(found)


def to_section(node: Node, *, name: str, path: str) -> Section:
    """Return a mapping as a Section with the place of every key in it."""
    data = plain(node)
    places: dict[str, str] = {}
    texts: dict[str, str] = {}
    for keys, child in walk(node):
        full = join_path(path, show(keys)) if keys else path
        places[full] = child.place
        is_number = isinstance(child.value, int | float) and not isinstance(child.value, bool)
        if is_number and child.raw is not None and child.raw != str(child.value):
            texts[full] = child.raw
    return Section(name=name, path=path, data=data if isinstance(data, dict) else {}, places=places, texts=texts)
