"""evalyard_slurm.batch_script and evalyard_slurm.runtimes: the texts that Slurm and the nodes run, exactly."""

import subprocess
from pathlib import Path

import pytest

from evalyard_slurm.runtimes import apptainer_image, enroot_image
from tests.plugins.slurm.goldens import FOLDER, GOLDEN


@pytest.mark.parametrize("name", GOLDEN)
def test_a_text_is_exactly_this(name: str) -> None:
    assert GOLDEN[name]() == (FOLDER / name).read_text(encoding="utf-8")


def test_there_is_no_golden_file_that_nothing_makes() -> None:
    assert {path.name for path in FOLDER.iterdir()} == GOLDEN.keys()


@pytest.mark.parametrize("name", GOLDEN)
def test_a_text_is_read_by_its_shell(name: str, tmp_path: Path) -> None:
    script = tmp_path / name
    script.write_text(GOLDEN[name]())
    shell = "bash" if name.endswith(".sbatch") else "sh"
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("image", "written"),
    [
        ("nvcr.io/nvidia/x:1", "nvcr.io#nvidia/x:1"),
        ("localhost/x:1", "localhost#x:1"),
        ("host:5000/x@sha256:abc", "host:5000#x@sha256:abc"),
        ("vllm/vllm-openai:latest", "vllm/vllm-openai:latest"),
        ("python:3.12", "python:3.12"),
        ("nvcr.io#nvidia/x:1", "nvcr.io#nvidia/x:1"),
        ("/images/x.sqsh", "/images/x.sqsh"),
        ("docker://nvcr.io#nvidia/x", "docker://nvcr.io#nvidia/x"),
    ],
)
def test_an_image_is_written_as_enroot_reads_it(image: str, written: str) -> None:
    assert enroot_image(image) == written


@pytest.mark.parametrize(
    ("image", "written"),
    [
        ("nvcr.io/nvidia/x:1", "docker://nvcr.io/nvidia/x:1"),
        ("/images/x.sif", "/images/x.sif"),
        ("oras://host/x:1", "oras://host/x:1"),
    ],
)
def test_an_image_is_written_as_apptainer_reads_it(image: str, written: str) -> None:
    assert apptainer_image(image) == written
