"""evalyard.testing.stored."""

from pathlib import Path

from evalyard import Connection, Handle, Plan
from evalyard.testing import stored


def test_what_is_kept_is_read_again_and_does_not_tell_where_it_was_made(tmp_path: Path) -> None:
    plan = Plan(job="0badcafe.1", task="naïve", attempt=1, name="ey-0badcafe-1-1", mark="m", directory=f"{tmp_path}/x")
    handle = Handle(name=plan.name, mark="m", data={"directory": plan.directory})
    connection = Connection(executor="nobody", address={"host": "there"})
    file = stored.keep(tmp_path / "kept", "nobody", str(tmp_path), connection=connection, plan=plan, handles=[handle])
    assert file.name.startswith("nobody-")
    assert str(tmp_path) not in file.read_text(encoding="utf-8")
    kept = stored.read(file)
    assert kept.connection == connection
    assert kept.plan.task == "naïve"
    assert [one.data["directory"] for one in kept.handles] == [f"{stored.ELSEWHERE}/x"]
