"""Images for the examples: they look like those of the catalogue, and are made without any registry."""

from __future__ import annotations

import tarfile
from pathlib import Path

from tests.docker_images import add_file, extended


def nemo_stand_in_image(base: str) -> str:
    """Return an image with a program that is called as nemo-evaluator is.

    Args:
        base: an image with python3.
    """

    def write(archive: tarfile.TarFile) -> None:
        program = Path(__file__).parent / "stand_in" / "nemo_evaluator.py"
        add_file(archive, "usr/bin/nemo-evaluator", b"#!/usr/bin/python3\n" + program.read_bytes())

    return extended("nemo-stand-in", base, write)
