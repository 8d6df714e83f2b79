"""evalyard.exports.destination: exporters by name, and what is wrong before a run begins."""

from __future__ import annotations

import pytest

from evalyard.config import load_exports, load_text
from evalyard.errors import ConfigError, PluginError
from evalyard.exports.destination import check_exports, destination
from evalyard.exports.local import Local
from evalyard.specs import EnvValue, ValueSource
from tests.core.plugins.conftest import Install, install as install  # noqa: PLC0414 - a fixture

BASE = """
execution: {{type: local, output_dir: /out, auto_export: {{destinations: {destinations}}}}}
target: {{api_endpoint: {{url: http://h, model_id: m}}}}
evaluation: {{tasks: [smoke]}}
export: {export}
"""


def problems(destinations: str, export: str) -> list[str]:
    spec = load_text(BASE.format(destinations=destinations, export=export), "f")
    try:
        check_exports(spec)
    except ConfigError as error:
        return list(error.problems)
    return []


def test_the_exporter_local_comes_with_the_core_and_needs_no_section() -> None:
    chosen = destination("local", ())
    assert chosen.exporter is Local
    assert chosen.settings == Local.Settings()


def test_everything_that_is_wrong_is_said_at_once_with_its_place() -> None:
    assert problems("[local, mlfow]", "{local: {formt: csv, log_metrics: 3}, wandb: {}}") == [
        "f:5:18: export.local.formt: unknown key; did you mean 'format'?",
        "f:5:30: export.local.log_metrics: 3 is not a list",
        (
            "f:2:80: execution.auto_export.destinations[1]: exporter 'mlfow' is not installed; did you mean 'mlflow'?; "
            "installed: local; the package is often called evalyard-mlfow"
        ),
        (
            "f:5:47: export.wandb: nothing exports there: add wandb to execution.auto_export.destinations, "
            "or remove it (-o ~export.wandb)"
        ),
    ]


def test_what_is_right_has_no_problems() -> None:
    assert problems("[local]", "{local: {format: csv}}") == []
    assert problems("[local]", "{}") == []
    assert problems("[]", "{}") == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("class Odd:\n    api = 1\n    def export(self, ctx, settings, results): ...", "no attrs class `Settings`"),
        (
            "from evalyard import ExportSettings\nclass Odd:\n    api = 1\n    Settings = ExportSettings",
            "no method `export",
        ),
        ("class Odd:\n    api = 99", "is written for API 99"),
        ("raise RuntimeError('half')", "cannot be loaded: RuntimeError: half"),
    ],
)
def test_an_exporter_that_does_not_fit_is_refused_by_name(install: Install, code: str, expected: str) -> None:
    install("evalyard.exporters", "odd", "Odd", code)
    with pytest.raises(PluginError, match=expected):
        destination("odd", ())


def test_published_exporters_that_are_absent_say_what_to_install() -> None:
    with pytest.raises(PluginError) as caught:
        destination("wandb", ())
    assert caught.value.hint == "pip install evalyard-wandb"


def test_sections_are_read_from_a_configuration_whose_rest_nobody_understands() -> None:
    text = (
        "execution: 3\nnew: thing\nexport: {env_vars: {A: 'host:B', C: 'lit:d'}, local: {output_dir: /o, format: csv}}"
    )
    (section,), variables = load_exports(text, "f", ["export.local.format=json"])
    assert (section.name, dict(section.data)) == ("local", {"output_dir": "/o", "format": "json"})
    assert variables == {
        "A": EnvValue(source=ValueSource.HOST, text="B", where="f:3"),
        "C": EnvValue(source=ValueSource.LITERAL, text="d", where="f:3"),
    }


def test_folders_of_exports_do_not_depend_on_where_they_are_read_again(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    (section,), _ = load_exports("export: {local: {output_dir: out, job_dirs: [a, /b]}}", "f")
    assert section.data == {"output_dir": f"{tmp_path}/out", "job_dirs": [f"{tmp_path}/a", "/b"]}
    resolved = load_text(BASE.format(destinations="[local]", export="{local: {output_dir: out}}"), "f").resolved
    assert f"output_dir: {tmp_path}/out" in resolved
