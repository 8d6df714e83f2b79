"""evalyard.testing.effects."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

from evalyard.testing.effects import effects, requests


def test_effects_are_what_this_thread_does(tmp_path: Path) -> None:
    with effects() as found:
        (tmp_path / "file").write_text("x", encoding="utf-8")
        other = threading.Thread(target=(tmp_path / "other").mkdir)
        other.start()
        other.join()
    assert [line for line in found if "file" in line]
    assert not [line for line in found if "other" in line]


def test_requests_are_counted_in_every_thread_until_the_block_ends() -> None:
    def connect() -> None:
        with socket.socket() as caller:
            caller.settimeout(1)
            caller.connect_ex(("127.0.0.1", 9))

    with requests() as found:
        subprocess.run(["true"], check=True)
        thread = threading.Thread(target=connect)
        thread.start()
        thread.join()
        sys.audit("evalyard.request", "status")
    counted = len(found)
    subprocess.run(["true"], check=True)
    assert [line.split()[0] for line in found] == ["subprocess.Popen", "socket.connect", "evalyard.request"]
    assert len(found) == counted
