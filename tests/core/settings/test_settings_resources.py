"""evalyard.settings.resources: sizes and times, the same for every executor."""

import pytest
from attrs import frozen

from evalyard import Compute, ConfigError, Network, Resources, Section, size_bytes, walltime_seconds
from evalyard.config import structure


@frozen(kw_only=True)
class Settings(Resources, Network):
    queue: str = ""


def structured(**data: object) -> Settings:
    return structure(Section(name="mine", path="execution", data=data), Settings)


@pytest.mark.parametrize(
    ("text", "size"), [("512", 512), ("512b", 512), ("1k", 1024), ("1.5G", 3 << 29), ("2t", 2 << 40), ("0", 0)]
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "16 g", "16gb", "-1g", "g", "1e3"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        size_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("1:30", 90),
        ("04:00:00", 14400),
        ("2-3", 2 * 86400 + 3 * 3600),
        ("1-12:30", 86400 + 45000),
        ("1-00:00:01", 86401),
    ],
)
def test_times_are_seconds(text: str, seconds: int) -> None:
    assert walltime_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "two hours", "1:2:3:4", "-1", "1h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        walltime_seconds(text)


def test_parts_go_together_and_keep_their_meaning_and_defaults() -> None:
    given = structured(cpus=4, memory="16g", gpus=2, gpu_type="h100", disk="1t", walltime="30", http_proxy="http://p")
    assert (given.cpus, given.memory, given.gpus, given.gpu_type, given.disk) == (4.0, "16g", 2, "h100", "1t")
    assert given.walltime_s == 1800
    assert structured() == Settings()
    assert Compute() == Compute(cpus=None, memory="")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"cpus": 0}, "cpus"),
        ({"memory": "lots"}, "'lots' is no size for memory"),
        ({"disk": "lots"}, "'lots' is no size for disk"),
        ({"gpus": -1}, "gpus"),
        ({"gpu_type": "a\nb"}, "gpu_type has to be one line"),
        ({"walltime": "0"}, "a walltime of 0 ends every job at once"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        structured(**data)
