"""What a task means beside an endpoint, and when the two do not agree."""

from __future__ import annotations

import pytest

from evalyard.catalogue.resolve import corrected, resolve, url_kind
from evalyard.catalogue.tasks import catalogue
from evalyard.errors import ConfigError
from evalyard.specs import CommandSpec, EndpointSpec, TaskSpec

CHAT = "http://127.0.0.1:1/v1/chat/completions"
COMPLETIONS = "http://127.0.0.1:1/v1/completions"


def meaning(name: str, url: str | None = None, **task: str) -> tuple[str | None, str]:
    spec = TaskSpec(name=name, where="f.yaml:3:7", **task)  # type: ignore[arg-type]
    benchmark = resolve(spec, EndpointSpec(url=url), catalogue())
    return benchmark.listed.full_name if benchmark.listed else None, benchmark.endpoint_type


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("smoke", CHAT, ("smoke", "chat")),
        ("smoke", COMPLETIONS, ("smoke", "completions")),
        ("smoke", None, ("smoke", "chat")),
        ("mmlu_pro", CHAT, ("simple_evals.mmlu_pro", "chat")),
        ("mmlu_pro", COMPLETIONS, ("lm-evaluation-harness.mmlu_pro", "completions")),
        ("gsm8k", None, ("lm-evaluation-harness.gsm8k", "completions")),
        ("gsm8k", "http://127.0.0.1:1/generate", ("lm-evaluation-harness.gsm8k", "completions")),
        ("vlmevalkit.ai2d_judge", CHAT, ("vlmevalkit.ai2d_judge", "vlm")),
    ],
)
def test_name_and_url_settle_benchmark_and_endpoint_type(name: str, url: str | None, expected: tuple[str, str]) -> None:
    assert meaning(name, url) == expected


def test_a_url_for_another_kind_of_endpoint_is_an_error_with_the_right_url() -> None:
    with pytest.raises(ConfigError) as error:
        meaning("gsm8k", CHAT)
    (problem,) = error.value.problems
    disagree = "uses an endpoint of type completions, and the URL is one for chat"
    assert problem.startswith(f"f.yaml:3:7: lm-evaluation-harness.gsm8k {disagree}: ")
    assert problem.endswith(f": -o target.api_endpoint.url={COMPLETIONS}")


def test_an_endpoint_type_that_the_benchmark_cannot_use_is_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"lm-evaluation-harness\.ifeval uses an endpoint of type chat, not embedding"
    ):
        meaning("lm-evaluation-harness.ifeval", endpoint_type="embedding")


def test_an_unknown_name_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"f\.yaml:3:7: no task is called 'ifevl'; did you mean 'ifeval'\?"):
        meaning("ifevl")


def test_a_task_with_a_command_or_an_unlisted_image_needs_no_catalogue() -> None:
    own = TaskSpec(name="anything", harness=CommandSpec(command="true"))
    assert resolve(own, EndpointSpec(url=COMPLETIONS), catalogue()).listed is None
    assert meaning("anything", CHAT, container="registry.example/own:1") == (None, "chat")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (CHAT, "chat"),
        (CHAT + "/?key=1", "chat"),
        (COMPLETIONS, "completions"),
        ("https://h/v1/embeddings", "embedding"),
        ("https://h/generate", None),
        (None, None),
    ],
)
def test_the_path_of_a_url_tells_its_kind(url: str | None, kind: str | None) -> None:
    assert url_kind(url) == kind


@pytest.mark.parametrize(
    ("url", "kind", "right"),
    [
        (CHAT, "completions", COMPLETIONS),
        (COMPLETIONS, "vlm", CHAT),
        ("https://h/v1/embeddings/", "chat", "https://h/v1/chat/completions"),
    ],
)
def test_the_url_for_another_kind_is_offered_whole(url: str, kind: str, right: str) -> None:
    assert corrected(url, kind) == right
