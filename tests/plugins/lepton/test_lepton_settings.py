"""evalyard_lepton.settings and workspaces: which workspace, and what is sent of what was set."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalyard import ConfigError, Section, structure
from evalyard_lepton.payloads import as_json
from evalyard_lepton.server_settings import ServerSettings
from evalyard_lepton.settings import Settings
from evalyard_lepton.terms import Mount
from evalyard_lepton.workspaces import current_workspace


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEPTON_CACHE_DIR", str(tmp_path))


def read(data: dict[str, object]) -> Settings:
    return structure(Section(name="lepton", path="execution", data={"output_dir": "/o", **data}), Settings)


def told(data: dict[str, object]) -> ServerSettings:
    path = "deployment.lepton_config"
    return structure(Section(name="lepton", path=path, data={"resource_shape": "s", **data}), ServerSettings)


def test_the_configuration_goes_before_the_environment_and_that_before_the_login(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert current_workspace() == {}
    (tmp_path / "workspace_info.yaml").write_text("current_workspace: mine\nworkspaces: {mine: {auth_token: secret}}\n")
    assert current_workspace() == {"workspace": "mine"}
    monkeypatch.setenv("LEPTON_WORKSPACE_ID", "from-env:with-its-token")
    assert current_workspace() == {"workspace": "from-env"}
    monkeypatch.setenv("LEPTON_WORKSPACE_URL", "http://h/api")
    assert read({"workspace": "given"}).connection().address == {"workspace": "given", "url": "http://h/api"}


@pytest.mark.parametrize("text", ["", "- a list", "{broken", "current_workspace: 3"])
def test_a_login_record_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "workspace_info.yaml").write_text(text)
    assert current_workspace() == {}


def test_the_key_from_is_read_and_sent_as_it_is_called() -> None:
    mount = {"from": "node-nfs:fs", "path": "/a", "mount_path": "/b", "mount_options": {"read_only": True}}
    (found,) = read({"lepton_platform": {"tasks": {"mounts": [mount]}}}).lepton_platform.tasks.mounts
    assert as_json(found) == mount
    assert found.read_only
    assert as_json(Mount(from_="x", mount_path="/b")) == {"from": "x", "path": "/", "mount_path": "/b"}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"mounts": {"enabled": True, "cache_path": "/c", "mount_path": "/m"}}, "mounts"),
        ({"min_replicas": 2}, r"max_replicas \(1\) is less than min_replicas \(2\)"),
        ({"envs": {"A B": "x"}}, "'A B' cannot be a variable's name on Lepton"),
        ({"enable_rdma": True}, "unknown key"),
    ],
)
def test_a_wrong_server_is_refused(data: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        told(data)


def test_no_default_is_of_one_company() -> None:
    settings = read({})
    platform = settings.lepton_platform
    assert (platform.tasks.node_group, platform.tasks.image_pull_secrets, platform.tasks.mounts) == ("", (), ())
    assert platform.deployment.node_group == ""
    assert platform.deployment.platform_defaults.image_pull_secrets == ()
