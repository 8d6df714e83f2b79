"""The network of a test cluster: a switch of its own, and one cable from it to this machine.

The switch is a machine of the cluster too: no bridge, route or packet filter of this machine is touched, and the cable
vanishes with the switch.
"""

import subprocess
from pathlib import Path

from attrs import define

from tests.slurm.machine import Machine

THIS_MACHINE = 1
"""The last number of this machine's address in the network."""


@define(kw_only=True)
class Network:
    """A network without a way out.

    Attributes:
        prefix: of all addresses in it.
    """

    prefix: str
    switch: Machine

    @classmethod
    def lay(cls, folder: Path) -> "Network":
        """Make a network that nothing on this machine uses; of the folder as for a machine."""
        switch = Machine.boot("switch", folder)
        try:
            switch.run("sh", "-c", "ip link add switch type bridge && ip link set switch up")
            return cls(prefix=_connect(switch), switch=switch)
        except BaseException:
            switch.power_off()
            raise

    def address(self, number: int) -> str:
        """Return the address of a machine."""
        return f"{self.prefix}.{number}"

    def plug(self, machine: Machine, address: str) -> None:
        """Give a machine its address."""
        # A machine that is booted again has the same card: the others remember it for a while.
        card = "02:" + ":".join(f"{int(part):02x}" for part in ("0", *address.split(".")))
        near, far = f"eth0 netns {machine.pid}", f"{machine.name} netns {self.switch.pid}"
        _ip(f"link add {near} address {card} type veth peer name {far}")
        self.switch.run("ip", "link", "set", machine.name, "master", "switch", "up")
        machine.run("sh", "-c", f"ip address add {address}/24 dev eth0 && ip link set eth0 up")

    def unplug(self, name: str) -> None:
        """Remove the cable of a machine that is off."""
        # The kernel may remove it first.
        self.switch.run("sh", "-c", f"ip link delete {name} 2>/dev/null || ! ip link show {name} 2>/dev/null")

    def cut(self, name: str) -> None:
        """Let nothing pass between a machine and the others."""
        self.switch.run("ip", "link", "set", name, "down")

    def mend(self, name: str) -> None:
        """Undo `cut`."""
        self.switch.run("ip", "link", "set", name, "up")


def _connect(switch: Machine) -> str:
    for number in range(256):
        # The name is taken with the link, so that two clusters never choose the same network.
        link = f"test-slurm{number}"
        try:
            _ip(f"link add {link} type veth peer name uplink netns {switch.pid}")
        except RuntimeError as error:
            if "File exists" not in str(error):
                raise
            continue
        prefix = f"10.231.{number}"
        _ip(f"address add {prefix}.{THIS_MACHINE}/24 dev {link}")
        _ip(f"link set {link} up")
        switch.run("ip", "link", "set", "uplink", "master", "switch", "up")
        return prefix
    raise RuntimeError("all networks from 10.231.0 to 10.231.255 are in use")


def _ip(arguments: str) -> None:
    done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {arguments}: {done.stderr}")
