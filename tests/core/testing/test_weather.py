"""evalyard.testing.weather."""

import http.client
import http.server
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from evalyard.testing.weather import Weather, weather

SAY = ["printf", "one two three four"]


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """A server that answers every request with 404."""

    class Quiet(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield "127.0.0.1", server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def asked(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_a_program_hangs_until_its_caller_gives_up() -> None:
    with weather(Weather.HANGING), pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(SAY, capture_output=True, timeout=0.2, check=True)


def test_a_program_that_its_caller_leaves_behind_ends_with_the_weather() -> None:
    with weather(Weather.HANGING):
        left = subprocess.Popen(SAY)
        assert left.poll() is None
    assert left.returncode is not None


def test_what_cannot_be_reached_says_so() -> None:
    with weather(Weather.UNREACHABLE):
        done = subprocess.run(SAY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (255, "")
    assert "unreachable" in done.stderr


def test_an_answer_is_empty_or_cut_and_looks_well() -> None:
    with weather(Weather.EMPTY):
        assert subprocess.run(SAY, input=b"given", capture_output=True, check=True).stdout == b""
    with weather(Weather.CUT):
        assert subprocess.run(SAY, capture_output=True, check=True).stdout == b"one two t"
        words = "printf '%s' 'one two three four'"
        assert subprocess.run(words, shell=True, capture_output=True, check=True).stdout == b"one two t"


def test_after_the_weather_everything_is_as_before(address: tuple[str, int]) -> None:
    for kind in Weather:
        with weather(kind):
            pass
    assert subprocess.run(SAY, capture_output=True, check=True).stdout == b"one two three four"
    connection = http.client.HTTPConnection(*address)
    assert asked(connection) == 404
    connection.close()


def test_a_connection_is_accepted_and_nothing_comes(address: tuple[str, int]) -> None:
    with weather(Weather.HANGING), socket.create_connection(address, timeout=0.2) as caller:
        caller.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(TimeoutError):
            caller.recv(1)


def test_callers_that_come_at_once_are_all_let_go(address: tuple[str, int]) -> None:
    together = threading.Barrier(20)

    def call() -> None:
        together.wait()
        with socket.create_connection(address, timeout=60) as caller:
            assert caller.recv(1) == b""

    with ThreadPoolExecutor(20) as pool, weather(Weather.EMPTY):
        callers = [pool.submit(call) for _ in range(20)]
        wait(callers)
    assert [caller.exception() for caller in callers] == [None] * 20


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (Weather.HANGING, TimeoutError),
        (Weather.UNREACHABLE, OSError),
        (Weather.EMPTY, (http.client.RemoteDisconnected, ConnectionError)),
    ],
)
def test_a_connection_that_was_kept_has_the_weather_too(
    address: tuple[str, int], kind: Weather, problem: type[Exception]
) -> None:
    connection = http.client.HTTPConnection(*address, timeout=0.2)
    assert asked(connection) == 404
    with weather(kind), pytest.raises(problem):
        asked(connection)
    connection.close()


def test_what_the_weather_disturbs_is_counted(address: tuple[str, int]) -> None:
    with weather(Weather.UNREACHABLE) as disturbed:
        assert disturbed == []
        subprocess.run(SAY, capture_output=True, check=False)
        with pytest.raises(OSError, match="unreachable"):
            socket.create_connection(address)
    assert [line.partition(" ")[0] for line in disturbed] == ["program", "connection"]
