"""Stands in for a model server: takes only its arguments, and answers only under its health path and for chats.

What STAND_IN says: `broken` = ends before it is ready, `asleep` = is never ready, a number = ends after so many
answers.
"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

# Both are beside it in the image.
import demo.server  # type: ignore[import-not-found]
from demo.server import Behaviour, DemoServer

HEALTH = {"vllm": "/health", "sglang": "/health", "trtllm": "/health", "nim": "/v1/health/ready", "own": "/ready"}
CACHES = ("HF_HOME", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "NIM_CACHE_PATH")


class Fragile(DemoServer):  # type: ignore[misc]
    """Ends after so many answers."""

    left = -1

    def draws_failure(self) -> bool:
        with self._drawing:
            self.left -= 1
            if self.left == -1:
                print("the GPU fell out", flush=True)
                os._exit(9)
        return False


def options_of(kind: str, arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=kind, allow_abbrev=False)
    if kind == "nim":
        parser.set_defaults(host="0.0.0.0", port=os.environ["NIM_SERVER_PORT"], model="", name=os.environ["NIM_MODEL"])
        assert os.environ["NIM_HTTP_API_PORT"] == os.environ["NIM_SERVER_PORT"]
        return parser.parse_args(arguments)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True)
    if kind in ("vllm", "trtllm"):
        parser.add_argument("command", choices=["serve"])
        parser.add_argument("model")
    if kind == "vllm":
        parser.add_argument("--gpu-memory-utilization", type=float, required=True)
        parser.add_argument("--tensor-parallel-size", type=int, default=1)
        parser.add_argument("--max-model-len", type=int)
    if kind == "sglang":
        parser.add_argument("--model-path", dest="model", required=True)
        for name in ("--tp-size", "--dp-size", "--nnodes", "--node-rank"):
            parser.add_argument(name, type=int, default=1)
        parser.add_argument("--dist-init-addr")
    if kind == "trtllm":
        # It answers to any name, which here is the one of the test.
        parser.add_argument("--backend", choices=["pytorch"], required=True)
        parser.add_argument("--tp_size", type=int, default=1)
        parser.set_defaults(name="toy")
    if kind == "own":
        parser.set_defaults(model="")
    if kind in ("vllm", "sglang", "own"):
        parser.add_argument("--served-model-name", dest="name", required=True)
    return parser.parse_args(arguments)


def tell_model(model: str) -> None:
    print(f"model: {model}", flush=True)
    if not model.startswith("/"):
        return
    print(f"weights: {Path(model, 'weights').read_text()}", flush=True)
    try:
        Path(model, "written").touch()
    except OSError as error:
        print(f"writing there: {error.strerror}", flush=True)


def fill_caches() -> None:
    for name in CACHES:
        if name in os.environ:
            folder = Path(os.environ[name])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"made-by-{name}").touch()


def main(kind: str, arguments: list[str]) -> None:
    options = options_of(kind, arguments)
    mood = os.environ.get("STAND_IN", "")
    print(f"{kind} starts with {arguments}", flush=True)
    tell_model(options.model)
    fill_caches()
    if mood == "broken":
        sys.exit("CUDA out of memory")
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    if mood != "asleep":
        demo.server.HEALTH_ROUTES = (HEALTH[kind],)
        demo.server.ANSWER_ROUTES = ("/v1/chat/completions",)
        server = Fragile(options.host, int(options.port), Behaviour(models=(options.name,)))
        server.left = int(mood or -1)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait([signal.SIGTERM])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
