"""evalyard.harness.script: the text of the scripts, and that every shell accepts it whatever it is made from."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings, strategies as st

from evalyard.harness.script import (
    job_script,
    job_variables,
    run_all_script,
    server_script,
    server_step_script,
    server_variables,
    with_server_script,
)
from evalyard.records.files import SecretRef
from evalyard.records.programs import Mount, Server
from evalyard.specs import EnvValue, ResultFile, ValueSource
from tests.core.harness.jobs import SHELLS, argv, by_hand, launch, literal, make_job, runtime, write

SERVER = Server(recipe="generic", model_id="m", script='exec serve "$PORT"', port=0, paths={"chat": "/v1/c"})
MACHINERY = "# -------"

ODD = {
    "plain": "smoke",
    "quotes": 'it\'s "quoted"',
    "command": "$(touch pwned) `touch pwned` $HOME ${HOME}",
    "backslash": "a\\b\\",
    "newline": "two\nlines\n",
    "heredoc": "END_OF_PROGRAM\nEND_OF_EPILOGUE",
    "utf8": "Grüße 日本 🙂",
    "shell": "; exit 3 # | & > < * ? [a] ! ~ (",
    "comment": "# no\n# rem",
    "percent": "%s %d 100%",
    "dash": "--help -n -e",
    "carriage": "a\rb",
}


def test_what_is_particular_to_a_task_stands_at_the_top_of_its_script(tmp_path: Path) -> None:
    job = make_job(
        "python3 -m bench",
        env={
            "SHOTS": literal("it's 5"),
            "CACHE": runtime("SCRATCH"),
            "HF_TOKEN": EnvValue(source=ValueSource.HOST, text="T"),
        },
        pre_cmd="module load x\n",
        post_cmd="rm -r tmp",
    )
    top = (write(tmp_path, job) / "run.sh").read_text().partition(MACHINERY)[0]
    assert (
        top
        == """\
#!/bin/sh
# smoke, evalyard job a1b2c3d4.1.
# Run it again by hand, as often as you like, from any folder:  sh run.sh
set -u
CDPATH= cd -- "$(dirname -- "$0")" || exit 1

title='smoke (a1b2c3d4.1)'
log='logs/stdout.log'
results='results.yml'   # the file in artifacts/ without which success is none
# Each model server that it uses: what its variables begin with, folder, health, name, what asks there.
servers=''
ready_timeout=30   # seconds

# The environment; secrets are in .secrets.env and reach only the process that needs them.
prepare() {
  export PYTHONUNBUFFERED='1'
  export NEMO_EVALUATOR_TELEMETRY_LEVEL='0'
  export EVALYARD_TASK='smoke'
  export EVALYARD_MODEL_ID='the model'
  export EVALYARD_ENDPOINT_TYPE='chat'
  export EVALYARD_API_KEY_NAME='KEY'
  export EVALYARD_ENDPOINT_URL='http://endpoint.test/v1/chat/completions'
  export SHOTS='it'\\''s 5'
  if [ -z "${SCRATCH+set}" ]; then
    reason='the variable SCRATCH (for CACHE) is not set where the job runs'
    code=78
    return 1
  fi
  export CACHE="$SCRATCH"
}

# What is run.
program() {
cat <<'END_OF_PROGRAM'
trap 'exit 143' TERM
if [ -f "$EVALYARD_JOB_DIR/.secrets.env" ]; then set -a; . "$EVALYARD_JOB_DIR/.secrets.env"; set +a; fi
module load x
python3 -m bench
END_OF_PROGRAM
}

# What is run after it, however it ended.
epilogue() {
cat <<'END_OF_EPILOGUE'
rm -r tmp
END_OF_EPILOGUE
}

"""
    )


def test_a_served_endpoints_url_is_the_servers_path_below_a_base_that_is_known_later(tmp_path: Path) -> None:
    top = (write(tmp_path, make_job(server=SERVER)) / "run.sh").read_text().partition(MACHINERY)[0]
    assert "EVALYARD_ENDPOINT_URL=$EVALYARD_BASE_URL'/v1/c'\n  export EVALYARD_ENDPOINT_URL" in top
    assert "servers='EVALYARD ../deployment /health -'" in top


def test_the_machinery_is_the_same_for_every_task_and_server(tmp_path: Path) -> None:
    one = (write(tmp_path / "a", make_job("a")) / "run.sh").read_text()
    other = (write(tmp_path / "b", make_job("b", server=SERVER)) / "run.sh").read_text()
    serving = (tmp_path / "b" / "deployment" / "run.sh").read_text()
    assert len({text.partition(MACHINERY)[2] for text in (one, other, serving)}) == 1


def test_a_program_in_place_of_the_harnesss_own_text_keeps_the_rest() -> None:
    text = job_script(make_job("own text", pre_cmd="before"), program="docker run image")
    assert "before\ndocker run image\nEND_OF_PROGRAM" in text
    assert "own text" not in text


def test_what_starts_a_harness_elsewhere_stands_alone_and_the_rest_is_that_places_business() -> None:
    job = make_job("own text", pre_cmd="set it up", post_cmd="clear it away")
    job = evolve(job, contained=evolve(job.harness, script="in there", results=ResultFile(file="there.yml")))
    text = job_script(evolve(job, server=SERVER), start="docker run image\n", asks=lambda _: 'docker exec "$SERVER"')
    text = text.partition(MACHINERY)[0]
    assert "cat <<'END_OF_PROGRAM'\ndocker run image\n\nEND_OF_PROGRAM" in text
    assert "cat <<'END_OF_EPILOGUE'\n:\nEND_OF_EPILOGUE" in text
    assert "servers='EVALYARD ../deployment /health - docker exec \"$SERVER\"'" in text
    assert "results='there.yml'" in text
    assert not [word for word in ("own text", "in there", "set it up", "clear it away", '.env"') if word in text]


def test_what_starts_a_harness_elsewhere_gives_the_job_its_exit_code(tmp_path: Path) -> None:
    folder = write(tmp_path, make_job())
    (folder / "run.sh").write_text(job_script(make_job(results=None), start="echo started >artifacts/said; exit 4"))
    assert launch(folder).exit_code == 4
    assert (folder / "artifacts" / "said").read_text() == "started\n"


def test_a_server_elsewhere_sees_its_folders_under_their_names_there() -> None:
    server = evolve(SERVER, mounts=(Mount(source="/on/machine", target="/checkpoint", variable="MODEL"),))
    here = server_script(server, "a1b2c3d4")
    there = server_script(server, "a1b2c3d4", host="0.0.0.0", start="docker run image")
    assert "export MODEL='/on/machine'\n" in here
    assert "export MODEL='/checkpoint'\n" in there
    assert "docker run image\nEND_OF_PROGRAM" in there
    assert SERVER.script not in there


def test_the_variables_of_a_script_are_those_that_it_sets_and_no_secret_is_among_them() -> None:
    env = {
        "SHOTS": literal("5"),
        "CACHE": runtime("SCRATCH"),
        "TOKEN": EnvValue(source=ValueSource.HOST, text="T"),
    }
    names = job_variables(make_job(env=env))
    exported = set(re.findall(r"^  export (\w+)", job_script(make_job(env=env)), re.MULTILINE))
    assert set(names) == exported
    assert list(names) == sorted(names)
    server = evolve(SERVER, literals={"A": "1"}, runtime={"B": "C"}, secrets=(SecretRef(name="S", variable="S"),))
    exported = set(re.findall(r"^  export (\w+)", server_script(server, "a1b2c3d4"), re.MULTILINE))
    assert set(server_variables(server)) == exported
    assert "S" not in exported


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_every_shell_takes_any_name_and_value_literally(shell: str, text: str, tmp_path: Path) -> None:
    show = 'cd "$EVALYARD_OUTPUT_DIR" && printf "%s" "$EVALYARD_TASK" >name && printf "%s" "$VALUE" >value'
    folder = write(tmp_path, make_job(show, name=text, env={"VALUE": literal(text)}, results="value"))
    assert launch(folder, shell=shell).exit_code == 0
    assert (folder / "artifacts" / "name").read_bytes().decode() == text
    assert (folder / "artifacts" / "value").read_bytes().decode() == text
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_every_shell_can_parse_a_script_made_of_any_command(shell: str, text: str, tmp_path: Path) -> None:
    folder = write(tmp_path, make_job(text, name=text, pre_cmd=text, post_cmd=text, server=SERVER))
    scripts = [folder / "run.sh", *(tmp_path / "deployment").iterdir()]
    for script in scripts:
        done = subprocess.run(argv(shell, "-n", str(script)), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@settings(max_examples=15, deadline=None)
@given(
    text=st.text(
        st.sampled_from("'\"\\$`\n !#%&*()[]{}|;<>?~-=aé"),
        max_size=30,
    )
)
def test_the_program_reaches_its_shell_unchanged(text: str) -> None:
    body = job_script(make_job(f": start\n{text}")).partition("# What is run.\n")[2].partition("# What is run after")[0]
    done = subprocess.run(["dash", "-c", body + "program"], capture_output=True, check=True)
    assert done.stdout.decode().partition(": start\n")[2].rstrip("\n") == text.rstrip("\n")


def test_what_a_server_needs_stands_at_the_top_of_its_script() -> None:
    server = Server(
        recipe="generic",
        model_id="the model",
        script='exec serve --port "$PORT"',
        port=9000,
        literals={"HOST": "0.0.0.0", "LEVEL": "it's"},
        runtime={"CACHE": "SCRATCH"},
    )
    top = server_script(server, "a1b2c3d4").partition(MACHINERY)[0]
    for line in (
        "# The model server of evalyard run a1b2c3d4 (recipe generic).",
        "log='logs/server.log'",
        "  export HOST='0.0.0.0'",
        "  export EVALYARD_MODEL_ID='the model'",
        "  export LEVEL='it'\\''s'",
        '  export CACHE="$SCRATCH"',
        "  PORT=${PORT:-9000}",
        'exec serve --port "$PORT"',
    ):
        assert line in top.splitlines()


@pytest.mark.parametrize(("port", "text"), [(8123, "${EVALYARD_PORT:-8123}"), (0, "${EVALYARD_PORT:-$((20000 + ")])
def test_serving_by_hand_uses_the_deployments_port_or_one_of_its_own(port: int, text: str) -> None:
    script = with_server_script(Server(recipe="generic", model_id="m", script="serve", port=port))
    assert f"PORT={text}" in script
    assert "@PORT@" not in script


def test_every_task_is_run_again_by_one_script_whatever_becomes_of_each(tmp_path: Path) -> None:
    for name, code in (("it's", 3), ("first one", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.sh").write_text(f'echo ran >>"$(dirname -- "$0")/../ran"\nexit {code}\n')
    script = tmp_path / "run_all.sequential.sh"
    script.write_text(run_all_script(["it's", "first one"]))
    assert by_hand(tmp_path, "sh", str(script), cwd=Path("/")).returncode == 1
    assert (tmp_path / "ran").read_text() == "ran\nran\n"
    script.write_text(run_all_script(["first one"]))
    assert by_hand(tmp_path, "sh", str(script)).returncode == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_a_server_that_others_start_watch_and_end_keeps_no_record(tmp_path: Path, shell: str) -> None:
    say = """printf '%s|' "$HOST" "$PORT" "$EVALYARD_MODEL_ID" "$TEXT" "$KEY" "$PWD" >"$EVALYARD_OUTPUT_DIR/said\""""
    text = ODD["command"]
    server = Server(recipe="generic", model_id="m", script=f"{say}; exit 4", literals={"TEXT": text})
    folder = tmp_path / "deployment"
    folder.mkdir()
    (folder / "serve.sh").write_text(server_step_script(server, "a1b2c3d4", host="0.0.0.0"))
    (folder / ".secrets.env").write_text("KEY='a key'\n")
    environment = {**os.environ, "PORT": "8123", "EVALYARD_OUTPUT_DIR": str(tmp_path)}
    done = subprocess.run(argv(shell, str(folder / "serve.sh")), env=environment, check=False)
    assert done.returncode == 4
    assert (tmp_path / "said").read_text() == f"0.0.0.0|8123|m|{text}|a key|{folder}|"
    assert {path.name for path in folder.iterdir()} == {"serve.sh", ".secrets.env"}


def test_a_server_that_others_start_says_which_variable_is_missing(tmp_path: Path) -> None:
    server = Server(recipe="generic", model_id="m", script="serve", runtime={"A": "NOT_SET_ANYWHERE"})
    (tmp_path / "serve.sh").write_text(server_step_script(server, "a1b2c3d4", host="127.0.0.1"))
    done = subprocess.run(["sh", str(tmp_path / "serve.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "NOT_SET_ANYWHERE" in done.stdout
