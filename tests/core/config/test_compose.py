"""`defaults:` groups, and where they are found."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from evalyard.config import load_run
from evalyard.errors import ConfigError
from evalyard.specs import RunSpec

from .conftest import Load

REST = "evaluation: {tasks: [smoke]}\n"
URL = "target: {api_endpoint: {url: http://localhost/v1}}\n"


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
    return path


def run(folder: Path, text: str, *overrides: str) -> RunSpec:
    return load_run(put(folder, "main.yaml", text), overrides, environ={})


def test_a_group_without_a_file_is_just_a_type(tmp_path: Path) -> None:
    spec = run(tmp_path, f"defaults: [execution: slurm/default, deployment: none]\n{URL}{REST}")
    assert (spec.execution.name, spec.deployment) == ("slurm", None)


def test_group_files_beside_the_configuration_are_laid_under_it(tmp_path: Path) -> None:
    put(tmp_path, "execution/site/gpu.yaml", "type: local\nmode: parallel\nmounts: {a: 1, b: 2}\n")
    text = f"defaults: [execution: site/gpu, _self_]\nexecution: {{mode: sequential, mounts: {{b: 3}}}}\n{URL}{REST}"
    spec = run(tmp_path, text)
    assert dict(spec.execution.data) == {"mode": "sequential", "mounts": {"a": 1, "b": 3}}
    assert spec.execution.place("mode") == f"{tmp_path}/main.yaml:2:13"
    assert spec.execution.place("mounts.a") == f"{tmp_path}/execution/site/gpu.yaml:3:10"


@pytest.mark.parametrize(
    ("defaults", "mode"),
    [("[execution: x]", "mine"), ("[_self_, execution: x]", "theirs"), ("[execution: x, _self_]", "mine")],
)
def test_self_says_who_wins_and_goes_last_when_missing(tmp_path: Path, defaults: str, mode: str) -> None:
    put(tmp_path, "execution/x.yaml", "type: local\nmode: theirs\n")
    assert run(tmp_path, f"defaults: {defaults}\nexecution: {{mode: mine}}\n{URL}{REST}").execution.data["mode"] == mode


def test_a_missing_value_does_not_hide_one_that_a_group_sets(tmp_path: Path) -> None:
    put(tmp_path, "execution/x.yaml", "type: local\nmode: theirs\n")
    spec = run(tmp_path, f"defaults: [execution: x]\nexecution: {{mode: '???'}}\n{URL}{REST}")
    assert spec.execution.data["mode"] == "theirs"


def test_group_files_have_defaults_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, "execution/slurm/base.yaml", "type: slurm\na: 1\nb: 1\n")
    put(tmp_path, "execution/slurm/default.yaml", "defaults: [base, _self_]\nb: 2\n")
    spec = run(tmp_path, f"defaults: [override execution: slurm/default]\n{URL}{REST}")
    assert (spec.execution.name, dict(spec.execution.data)) == ("slurm", {"a": 1, "b": 2})


def test_another_whole_configuration_can_be_a_default(tmp_path: Path) -> None:
    put(tmp_path, "base.yaml", f"defaults: [execution: local]\n{URL}evaluation: {{env_vars: {{A: lit:a}}}}\n")
    spec = run(tmp_path, f"defaults: [base]\n{REST}")
    assert spec.tasks[0].env["A"].where == f"{tmp_path}/base.yaml:3"


def test_a_group_file_may_belong_to_the_top_level(tmp_path: Path) -> None:
    put(tmp_path, "site/home.yaml", f"# @package _global_\nexecution: {{type: local}}\n{URL}")
    assert run(tmp_path, f"defaults: [site: home]\n{REST}").execution.name == "local"


def test_plugins_bring_groups_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    put(site, "strangers_pkg/__init__.py", "raise SystemExit('plugin code ran')\n")
    put(site, "strangers_pkg/data/groups/execution/odd/default.yaml", "type: odd\nfrom_plugin: true\n")
    put(site, "strangers_pkg-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: strangers-pkg\nVersion: 1\n")
    put(site, "strangers_pkg-1.dist-info/entry_points.txt", "[evalyard.data]\nodd = strangers_pkg.data.groups\n")
    monkeypatch.syspath_prepend(site)
    spec = run(tmp_path, f"defaults: [execution: odd/default]\n{URL}{REST}")
    assert (spec.execution.name, spec.execution.data["from_plugin"]) == ("odd", True)
    assert "strangers_pkg" not in sys.modules


def test_a_group_is_chosen_on_the_command_line(tmp_path: Path) -> None:
    put(tmp_path, "execution/x.yaml", "type: xx\nk: 1\n")
    text = f"defaults: [execution: local]\nexecution: {{output_dir: /o}}\n{URL}{REST}"
    assert dict(run(tmp_path, text, "execution=x").execution.data) == {"k": 1, "output_dir": "/o"}
    assert dict(run(tmp_path, f"{URL}{REST}", "execution=x").execution.data) == {"k": 1}


def test_choosing_another_type_drops_what_was_written_for_the_old_one(load: Load) -> None:
    text = f"execution: {{type: slurm, hostname: h, output_dir: /o}}\n{URL}{REST}"
    spec = load(text, "execution=local")
    assert (spec.execution.name, dict(spec.execution.data)) == ("local", {"output_dir": "/o"})
    assert load(text, "execution=slurm").execution.data["hostname"] == "h"


def test_a_served_configuration_evaluates_a_given_endpoint_instead(load: Load) -> None:
    text = f"execution: {{type: local}}\ndeployment: {{type: generic, command: serve, port: 0}}\n{REST}"
    assert load(text).deployment is not None
    spec = load(text, "deployment=none", "target.api_endpoint.url=http://h:1/v1")
    assert (spec.deployment, spec.endpoint.url) == (None, "http://h:1/v1")
    assert load(spec.resolved).endpoint == spec.endpoint


def test_a_default_can_be_removed(load: Load) -> None:
    text = f"defaults: [execution: local, deployment: generic]\n{URL}{REST}"
    assert load(text, "~deployment").deployment is None


@pytest.mark.parametrize(
    ("defaults", "complaint"),
    [
        ("{a: b}", "f:1:1: defaults: must be a list, such as `- execution: local`"),
        ("[{a: b, c: d}]", "f:1:12: defaults[0]: must be one `group: option` or `_self_`"),
        ("[execution@x: local]", "f:1:12: defaults[0]: 'execution@x' is not the name of a group"),
        ("[execution: [a]]", "f:1:12: defaults[0]: the option of execution must be a name"),
        ("[exporter: x]", "f:1:12: no file for `exporter: x` of defaults; no folder of groups has one"),
        (
            "[execution: slurm/defualt]",
            "f:1:12: no file for `execution: slurm/defualt` of defaults; there are: slurm/default",
        ),
        ("[nothing]", "f:1:12: no file for `nothing` of defaults; no folder of groups has one"),
        ("[execution: ../x]", "f:1:12: 'execution/../x' leads out of the folder of groups"),
    ],
)
def test_faults_of_defaults_name_their_place(load: Load, tmp_path: Path, defaults: str, complaint: str) -> None:
    put(tmp_path, "execution/slurm/default.yaml", "type: slurm\n")
    with pytest.raises(ConfigError) as caught:
        load(f"defaults: {defaults}\n{URL}{REST}")
    assert caught.value.problems == (complaint,)


def test_files_that_name_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "execution/a.yaml", "defaults: [b]\n")
    put(tmp_path, "execution/b.yaml", "defaults: [a]\n")
    with pytest.raises(ConfigError, match=r"defaults nested more than 10 deep; a circle\?"):
        run(tmp_path, f"defaults: [execution: a]\n{URL}{REST}")


def test_an_optional_group_may_be_absent(load: Load) -> None:
    assert load(f"defaults: [optional site: none, execution: local]\n{URL}{REST}").execution.name == "local"
