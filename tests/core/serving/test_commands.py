"""evalyard.serving.commands: the command lines of model servers, as text and as what is really called."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from evalyard.config.deployment_types import DEPLOYMENT_TYPES, SglangOptions, TrtllmOptions, VllmOptions
from evalyard.serving.recipes import server_for
from evalyard.specs import DeploymentSpec, EnvValue, ValueSource

HOSTILE = 'it\'s "$(: > owned)" `: > owned` $HOST \\ {port} *; : > owned #\n--next'

Run = Callable[..., list[str]]


def script(name: str, **fields: Any) -> str:
    given = {"type": name, "served_model_name": "m", "hf_model_handle": "org/m", "image": "img:1"}
    return server_for(DeploymentSpec(**(given | fields))).script


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script where there are only these programs, and return what the one that it called was called with."""
    sh = shutil.which("sh")
    assert sh is not None
    called, bin_folder = tmp_path / "called", tmp_path / "bin"
    bin_folder.mkdir()

    def run(text: str, *programs: str, variables: Mapping[str, str] | None = None) -> list[str]:
        for program in programs:
            path = bin_folder / program
            path.write_text(f"#!{sh}\nprintf '%s\\0' \"${{0##*/}}\" \"$@\" > '{called}'\n")
            path.chmod(0o755)
        environment = {"PATH": str(bin_folder), "HOST": "127.0.0.1", "PORT": "8123", **(variables or {})}
        subprocess.run([sh, "-uc", text], cwd=tmp_path, env=environment, check=True, timeout=60)
        assert not (tmp_path / "owned").exists()
        return called.read_text().split("\0")[:-1]

    return run


# --- golden texts --------------------------------------------------------------------------------------------------


def test_the_text_for_vllm() -> None:
    options = VllmOptions(
        tensor_parallel_size=2, pipeline_parallel_size=3, data_parallel_size=4, extra_args="--max-model-len 4096"
    )
    listen = '--host "$HOST" --port "$PORT"'
    sizes = "--tensor-parallel-size 2 --pipeline-parallel-size 3 --data-parallel-size 4"
    assert script("vllm", options=options).splitlines() == [
        "if command -v vllm >/dev/null 2>&1; then",
        "  set -- vllm serve 'org/m'",
        "else",
        "  set -- python3 -m vllm.entrypoints.openai.api_server --model 'org/m'",
        "fi",
        f"exec \"$@\" --served-model-name 'm' {listen} {sizes} --gpu-memory-utilization 0.95 --max-model-len 4096",
    ]


def test_the_text_for_sglang() -> None:
    options = SglangOptions(
        tensor_parallel_size=2, pipeline_parallel_size=3, data_parallel_size=4, extra_args="--mem-fraction-static 0.8"
    )
    assert script("sglang", options=options) == (
        "exec python3 -m sglang.launch_server --model-path 'org/m' --served-model-name 'm' "
        '--host "$HOST" --port "$PORT" --tp-size 2 --dp-size 4 --pp-size 3 --mem-fraction-static 0.8'
    )


def test_the_text_for_trtllm() -> None:
    options = TrtllmOptions(tensor_parallel_size=2, pipeline_parallel_size=3, extra_args="--ep_size 2")
    assert script("trtllm", options=options) == (
        "exec trtllm-serve serve 'org/m' --backend pytorch "
        '--host "$HOST" --port "$PORT" --tp_size 2 --pp_size 3 --ep_size 2'
    )


def test_the_text_for_nim() -> None:
    assert script("nim").splitlines() == [
        'export NIM_SERVER_PORT="$PORT" NIM_HTTP_API_PORT="$PORT"',
        "exec /opt/nvidia/nvidia_entrypoint.sh /opt/nim/start_server.sh",
    ]


def test_without_options_those_of_the_type_hold() -> None:
    for name in ("vllm", "sglang", "trtllm"):
        assert script(name) == script(name, options=DEPLOYMENT_TYPES[name].options())


# --- run for real --------------------------------------------------------------------------------------------------


def test_vllm_is_called_with_every_value_as_it_was_written(run: Run) -> None:
    text = script("vllm", hf_model_handle=HOSTILE, served_model_name=HOSTILE, options=VllmOptions())
    assert run(text, "vllm") == [
        *("vllm", "serve", HOSTILE, "--served-model-name", HOSTILE, "--host", "127.0.0.1", "--port", "8123"),
        *("--tensor-parallel-size", "8", "--gpu-memory-utilization", "0.95"),
    ]


def test_sglang_is_called_with_every_value_as_it_was_written(run: Run) -> None:
    text = script("sglang", hf_model_handle=HOSTILE, served_model_name=HOSTILE)
    assert run(text, "python3") == [
        *("python3", "-m", "sglang.launch_server", "--model-path", HOSTILE, "--served-model-name", HOSTILE),
        *("--host", "127.0.0.1", "--port", "8123", "--tp-size", "8"),
    ]


def test_trtllm_is_called_with_every_value_as_it_was_written(run: Run) -> None:
    text = script("trtllm", hf_model_handle=HOSTILE, served_model_name=HOSTILE)
    assert run(text, "trtllm-serve") == [
        *("trtllm-serve", "serve", HOSTILE, "--backend", "pytorch"),
        *("--host", "127.0.0.1", "--port", "8123", "--tp_size", "8"),
    ]


def test_nim_is_started_by_its_own_entry_point_on_the_port_that_it_is_given(run: Run, tmp_path: Path) -> None:
    text = script("nim").replace("/opt/nvidia", str(tmp_path / "bin"))
    text = text.replace("exec ", 'test "$NIM_SERVER_PORT$NIM_HTTP_API_PORT" = 81238123 || exit 1\nexec ')
    assert run(text, "nvidia_entrypoint.sh") == ["nvidia_entrypoint.sh", "/opt/nim/start_server.sh"]


@pytest.mark.parametrize(
    ("name", "program", "option"), [("vllm", "vllm", "serve"), ("sglang", "python3", "--model-path")]
)
def test_a_checkpoint_is_the_folder_that_the_variable_names(run: Run, name: str, program: str, option: str) -> None:
    text = script(name, hf_model_handle=None, checkpoint_path="/models/m")
    for folder in ("/checkpoint", HOSTILE):
        argv = run(text, program, variables={"EVALYARD_CHECKPOINT": folder})
        assert argv[argv.index(option) + 1] == folder


def test_an_image_from_before_the_vllm_program_is_served_by_its_module(run: Run) -> None:
    argv = run(script("vllm"), "python3")
    assert argv[:5] == ["python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "org/m"]
    assert argv[5:7] == ["--served-model-name", "m"]


def test_parallel_sizes_of_one_are_left_out(run: Run) -> None:
    argv = run(script("sglang", options=SglangOptions(tensor_parallel_size=1)), "python3")
    assert not [word for word in argv if word.endswith("-size")]


def test_extra_arguments_are_shell_words_on_as_many_lines_as_the_user_likes(run: Run) -> None:
    extra = "--override '{\"rope\": 1}' \\\n  --max-model-len 4096\n--eager \\\n"
    argv = run(script("vllm", options=VllmOptions(extra_args=extra)), "vllm")
    assert argv[-5:] == ["--override", '{"rope": 1}', "--max-model-len", "4096", "--eager"]


def test_a_base_command_stands_for_vllm_serve(run: Run) -> None:
    text = script("vllm", options=VllmOptions(base_command="LEVEL=debug wrapped-vllm --profile\nserve"))
    argv = run(text, "wrapped-vllm", "vllm")
    assert argv[:6] == ["wrapped-vllm", "--profile", "serve", "org/m", "--served-model-name", "m"]


# --- what must be there --------------------------------------------------------------------------------------------


def test_a_server_says_which_program_it_needs_unless_the_command_is_the_users_own() -> None:
    def program(name: str, **fields: Any) -> str:
        given = {"type": name, "served_model_name": "m", "hf_model_handle": "org/m"}
        return server_for(DeploymentSpec(**(given | fields))).program

    assert [program(name) for name in ("vllm", "sglang", "trtllm")] == ["vllm", "python3", "trtllm-serve"]
    assert program("vllm", options=VllmOptions(base_command="mine")) == ""
    assert program("vllm", command="mine") == ""


# --- downloads -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vllm", {"HF_HOME": "/my cache", "VLLM_CACHE_ROOT": "/my cache/vllm"}),
        ("sglang", {"HF_HOME": "/my cache", "TORCHINDUCTOR_CACHE_DIR": "/my cache/inductor"}),
        ("trtllm", {"HF_HOME": "/my cache"}),
        ("nim", {"NIM_CACHE_PATH": "/my cache"}),
        ("generic", {"HF_HOME": "/my cache"}),
    ],
)
def test_downloads_go_to_the_cache_folder(run: Run, name: str, expected: Mapping[str, str]) -> None:
    text = script(name, cache_path="/host", command="env-of " + " ".join(f'{key}="${key}"' for key in expected))
    argv = run(text, "env-of", variables={"EVALYARD_MODEL_CACHE": "/my cache"})
    assert argv[1:] == [f"{key}={value}" for key, value in expected.items()]


def test_a_cache_variable_of_the_users_own_stays() -> None:
    own = {"HF_HOME": EnvValue(source=ValueSource.LITERAL, text="/mine")}
    text = script("vllm", cache_path="/host", env=own)
    assert "HF_HOME" not in text
    assert 'export VLLM_CACHE_ROOT="$EVALYARD_MODEL_CACHE/vllm"' in text


def test_without_a_cache_folder_nothing_is_led_anywhere() -> None:
    assert "export" not in script("vllm")
