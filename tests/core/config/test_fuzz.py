"""Whatever a configuration holds, loading it succeeds or explains itself, and so does rewriting it."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings, strategies as st

from evalyard.config import examples, load_text, migrate
from evalyard.errors import EvalyardError

from .test_convert import FULL
from .test_spellings import PAIRS

EXAMPLES = int(os.environ.get("PYTEST_FUZZ_EXAMPLES", "150"))
"""How many cases each property is tried with."""

OLDER = """
defaults:
  - execution: slurm   # the cluster
  - deployment: vllm
  - _self_

execution:
  hostname: login
  account: 0123
  env_vars:
    deployment: {HF_TOKEN: $host:HF_TOKEN}   # gated
    evaluation:
      CACHE: $lit:/cache
  mounts: {evaluation: {/a: /b}}
  auto_export: [mlflow]

deployment:
  checkpoint_path: null
  hf_model_handle: org/m
  served_model_name: m
  command: vllm serve ${select_not_null:deployment.hf_model_handle,/checkpoint} --port ${deployment.port}
  env_vars: {A: B}

evaluation:
  overrides:
    # for all
    config.params.limit_samples: 10
    target.api_endpoint.adapter_config.use_caching: true
  tasks:
    - name: ifeval
      overrides: {config.params.temperature: 0.6, config.params.extra.args: "--x"}
    - &gpqa
      name: gpqa_diamond
      env_vars: {HF_TOKEN: MY_TOKEN}
    - <<: *gpqa
      container: registry/image:1
      nemo_evaluator_config: {config: {params: {parallelism: 4}}}
      overrides:
        config.params.parallelism: 8
    - mbpp
export: {mlflow: {tracking_uri: http://h}}
"""
JUDGED = """
defaults: [execution: local, deployment/vllm@auxiliary_deployments.judge, _self_]
target: {api_endpoint: {url: http://h/v1/chat/completions}}
auxiliary_deployments:
  judge: {hf_model_handle: org/m, served_model_name: j, port: 8001, command_template: "serve {port} {extra_args}"}
  user: {type: generic, command: serve, env_prefix: SIM, env_vars: {A: $host:B}}
evaluation:
  env_vars: {J: "${auxiliary_deployments.judge.chat_url}", U: "lit:auxiliary_deployments.user.model_id"}
  nemo_evaluator_config: {config: {params: {extra: {judge: {url: auxiliary_deployments.judge.chat_url}}}}}
  tasks: [ifeval]
"""
CORPUS = [FULL, OLDER, JUDGED, *(pair.old for pair in PAIRS.values()), *(one.path.read_text() for one in examples())]
"""Configurations of every generation."""

WORDS = (
    *("\t", "\n", "\n  ", "\n    - ", ":", ": ", "- ", "[", "]", "{", "}", "&a ", "*a", "<<: ", "!!int ", "!x "),
    *("'", '"', "|", ">", "#", " # c", "%", "???", "${", "${a", "${execution.mode}", "${oc.env:NOPE}"),
    *("${evaluation}", "${.name}", "${oc.decode:[}", "${select_not_null:a}", "null", "true", "-1", ".nan", "007"),
    *("---\n", "\x00", "\ufeff", "\u2028", "defaults: [x]\n", "host:", "$host:", "lit:", "0x", "9" * 30),
    *("overrides: ", "config.params.", "env_vars: ", "nemo_evaluator_config: ", "auto_export: ", "deployment: "),
    *("tensor_parallel_size: ", "type: vllm", "lepton_config: ", "auxiliary_deployments: "),
    *("auxiliary_deployments.judge.chat_url", "${auxiliary_deployments.", "@auxiliary_deployments.x", "env_prefix: "),
)
PIECES = st.sampled_from(WORDS)
OVERRIDES = st.builds(
    "{}{}={}".format,
    st.sampled_from(["", "+", "++", "~"]),
    st.sampled_from(
        [
            *("execution", "deployment", "evaluation.tasks", "evaluation.tasks.own.name", "evaluation.tasks[1]"),
            *("target.api_endpoint.url", "config.params", "a.b", "evaluation.tasks.0.x", "defaults", "export", "[0]"),
            *("env_vars.A", "", "evaluation.overrides", "execution.env_vars", "execution.env_vars.evaluation"),
            *("auxiliary_deployments", "auxiliary_deployments.judge", "auxiliary_deployments.user.env_prefix"),
            *("deployment.type", "deployment.env_vars", "execution.auto_export", "evaluation.nemo_evaluator_config"),
        ]
    ),
    PIECES | st.text(max_size=8),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(CORPUS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(PIECES | st.text(max_size=4)) + text[end:]
    return text


def check_readable(error: EvalyardError) -> None:
    assert 1 <= len(str(error).splitlines()) <= 25


def load(text: str, *overrides: str) -> str | None:
    """Return the resolved text, or None when the configuration is refused in at most a screenful."""
    try:
        return load_text(text, "f", overrides, environ={"MODEL": "m"}).resolved
    except EvalyardError as error:
        check_readable(error)
        return None


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@given(mutated(), st.lists(OVERRIDES, max_size=2))
def test_a_mutated_configuration_loads_or_says_why_not(text: str, overrides: list[str]) -> None:
    resolved = load(text, *overrides)
    if resolved is not None:
        assert load(resolved) == resolved


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@given(mutated())
def test_a_mutated_configuration_means_the_same_once_it_is_migrated(text: str) -> None:
    try:
        migrated = migrate(text, "f", Path("nowhere"))
    except EvalyardError as error:
        check_readable(error)
        return
    assert migrate(migrated.text, "f", Path("nowhere")).changes == ()
    before, after = load(text), load(migrated.text)
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert sorted(before.splitlines()) == sorted(after.splitlines())
