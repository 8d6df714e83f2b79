"""The shell text that makes a container: pure, from records. It stands in `run.sh`, for evalyard and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from attrs import field, frozen

from evalyard import Server, quote
from evalyard_local.processes import MARK_VARIABLE, NAME_VARIABLE, OWNER_VARIABLE

LABEL = "evalyard"
"""What the labels of everything that we make begin with."""
TOKEN_LABEL = f"{LABEL}.token"
NAME_LABEL = f"{LABEL}.name"
OWNER_LABEL = f"{LABEL}.owner"
CONTAINER_VARIABLE = "EVALYARD_CONTAINER"
SERVER_CONTAINER = "EVALYARD_SERVER_CONTAINER"
NETWORK_VARIABLE = "EVALYARD_NETWORK"
USER_VARIABLE = "EVALYARD_IMAGE_USER"
PLATFORM_VARIABLE = "EVALYARD_DOCKER_PLATFORM"
"""What the engine calls itself, as `docker version` tells it; without it, the script asks."""
KEEP_VARIABLE = "EVALYARD_KEEP"
"""Which ended containers stay; without it, all do."""

DESKTOP_HOST = "host.docker.internal"
"""What containers call the machine itself with Docker Desktop, whose containers have a machine of their own."""


@frozen(kw_only=True)
class Bind:
    """A folder or file that a container sees."""

    source: str
    """A path; a relative one begins at the folder of run.sh."""
    target: str
    read_only: bool = False
    make: bool = False
    """Whether the folder is made when it is not there."""


@frozen(kw_only=True)
class Container:
    """All that `docker run` is told."""

    title: str
    """What the comment above it says."""
    name: str
    """When run by hand, the process number follows it; evalyard gives a name of its own."""
    name_variable: str = CONTAINER_VARIABLE
    """The variable in which it does."""
    image: str
    command: tuple[str, ...]
    keeps_entrypoint: bool = False
    labels: Mapping[str, str] = field(factory=dict)
    binds: tuple[Bind, ...] = ()
    log: str = ""
    """The log file, in the folder of run.sh."""
    variables: tuple[str, ...] = ()
    """Passed on by name: their values are in the environment of run.sh."""
    settings: Mapping[str, str] = field(factory=dict)
    """Variables with a value of their own in the container."""
    before: str = ""
    """Shell text that goes first."""
    flags: tuple[str, ...] = ()
    """Shell words: what the settings ask for."""
    after: str = ""
    """Shell text that may add to the words."""
    extra: tuple[str, ...] = ()
    """The user's own, as they are; later ones win."""


_OURS: Mapping[str, str] = {
    TOKEN_LABEL: f'"${{{MARK_VARIABLE}:-by-hand}}"',
    OWNER_LABEL: f'"${{{OWNER_VARIABLE}:-}}"',
}
"""Label -> shell text of its value: how what we made is told from a stranger's."""


def container_text(container: Container) -> str:
    """Return the shell text that makes a container and stays until it has ended, with its exit code."""
    by_hand = f"{container.name}-by-hand-$$"
    labels = {f"{LABEL}.{name}": quote(value) for name, value in container.labels.items()} | {
        f"{LABEL}.attempt": '"$EVALYARD_ATTEMPT"',
        NAME_LABEL: f'"${{{NAME_VARIABLE}:-$container}}"',
        **_OURS,
    }
    words = ["--init", '--name "$container"']
    words += [f"--label {name}={value}" for name, value in labels.items()]
    binds = list(container.binds)
    if container.log:
        binds.append(Bind(source=container.log, target="/evalyard/log"))
    words += [_bind(bind) for bind in binds]
    words += [f"--env {name}" for name in container.variables]
    words += [f"--env {quote(f'{name}={value}')}" for name, value in container.settings.items()]
    words += container.flags
    words += [quote(word) for word in container.extra]
    words += ['"$image"'] if container.keeps_entrypoint else ['--entrypoint sh "$image"']
    command = ["sh", *container.command] if container.keeps_entrypoint else list(container.command)
    words.append(" ".join(map(quote, command)))
    made = [f"mkdir -p {_source(bind)}" for bind in binds if bind.make]
    lines = [
        f"# {container.title}",
        "here=$(pwd)",
        f"image={quote(container.image)}",
        f'container=${{{container.name_variable}:-"{by_hand}"}}',
        "made_network=",
        *made,
        *([container.before] if container.before else []),
        " \\\n  ".join(["set --", *words]),
        *([container.after] if container.after else []),
    ]
    return "\n".join(lines) + "\n\n" + _resource()


def _bind(bind: Bind) -> str:
    rest = f"target={bind.target}" + (",readonly" if bind.read_only else "")
    return f"--mount type=bind,source={_source(bind)},{quote(rest)}"


def _source(bind: Bind) -> str:
    return quote(bind.source) if bind.source.startswith("/") else f'"$here"/{quote(bind.source)}'


def loopback_text(url: str) -> str:
    """Return shell text that lets a container ask an endpoint of this machine: it sets `$network` and the URL."""
    other = quote(url.replace(_host(url), DESKTOP_HOST, 1))
    return f"""\
# The endpoint is on this machine: the container shares its network. Docker Desktop's is not this machine's.
network=host
case ${{{PLATFORM_VARIABLE}-$(docker version --format '{{{{.Server.Platform.Name}}}}')}} in
  *Desktop*) network=bridge EVALYARD_ENDPOINT_URL={other} ;;
esac"""


def is_loopback(url: str) -> bool:
    """Whether an endpoint's URL names the machine itself."""
    host = _host(url).strip("[]").lower()
    return host in ("localhost", "::1", "0.0.0.0") or host.startswith("127.")  # noqa: S104 - compared, not bound to


def _host(url: str) -> str:
    place = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return place.partition("]")[0] + "]" if place.startswith("[") else place.partition(":")[0]


def network_text() -> str:
    """Return shell text that makes the private network of a model server, unless somebody has made it already."""
    labels = " ".join(f"--label {name}={value}" for name, value in _OURS.items())
    return f"""\
{NETWORK_VARIABLE}=${{{NETWORK_VARIABLE}:-$container}}
if ! docker network inspect "${NETWORK_VARIABLE}" >/dev/null 2>&1; then
  made_network=$(docker network create {labels} "${NETWORK_VARIABLE}" 2>&1) || {{
    echo "$made_network" | tee "$EVALYARD_OUTPUT_DIR/.reason"
    exit 125
  }}
fi"""


def connect_text(server: Server, alias: str) -> str:
    """Return shell text that brings a further server into the network of the harness, where it is called `alias`."""
    variable = server.variable("SERVER_CONTAINER")
    return f"""\
# {server.title.capitalize()}: other tasks of the run may have connected it before.
said=$(docker network connect --alias {alias} "${NETWORK_VARIABLE}" "${variable}" 2>&1) || case $said in
  *'already exists in network'*) ;;
  *)
    echo "$said" | tee "$EVALYARD_OUTPUT_DIR/.reason"
    exit 125
    ;;
esac"""


def address_text(server: Server) -> str:
    """Return shell text that finds out where a further server is, for a harness that is in no network with names."""
    inspect = "docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'"
    address = _address(server)
    gone = f"the container of {server.title} has no address: it has ended, or Docker does not answer"
    return f"""\
# Where {server.title} is.
{address}=$({inspect} "${server.variable("SERVER_CONTAINER")}")
if [ -z "${address}" ]; then
  echo {quote(gone)} | tee "$EVALYARD_OUTPUT_DIR/.reason"
  exit 125
fi"""


def address_flag(server: Server, alias: str) -> str:
    """Return the words that give that address a name."""
    return f'--add-host "{alias}:${_address(server)}"'


def _address(server: Server) -> str:
    return f"{server.env_prefix.lower()}_address"


def gpu_text(gpus: str) -> str:
    """Return shell text that gives a container GPUs, after its other words are set; empty = none."""
    if gpus == "none":
        return ""
    if gpus == "auto":
        return 'if nvidia-smi -L >/dev/null 2>&1; then set -- --gpus all "$@"; fi'
    # Docker reads the value as a line of a table: a comma in it must not end it.
    return f"""set -- --gpus {quote(f'"{gpus}"' if "," in gpus else gpus)} "$@\""""


def refused_path(paths: Sequence[str]) -> str:
    """Return the first of these paths that Docker's `--mount` cannot take; empty = none."""
    return next((path for path in paths if any(sign in path for sign in ',"\n')), "")


@cache
def _resource() -> str:
    return files("evalyard_local.docker").joinpath("container.sh").read_text(encoding="utf-8")
