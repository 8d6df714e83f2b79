"""The remote end dies: the shell that runs a command of the launcher's on the login machine, at any of its steps."""

from __future__ import annotations

from attrs import frozen

from evalyard.errors import EXIT_BACKEND
from tests.sweep.on_cluster import ClusterYard

_SHELL = """\
#!/bin/bash
# In place of sh. A command of the launcher's begins with its name.
case "${{1-}}${{3-}}" in
  -c*'# {command} '*)
    text=$2
    shift 2
    exec bash --posix -T -c '. "{trap}"; '"$text" "$@"
    ;;
esac
exec /bin/sh "$@"
"""
_TRAP = """\
step() {{
  read -r _step <"{steps}"
  _step=$((_step + 1))
  echo "$_step" >"{steps}"
  # Once: both ends of a pipe count, and may lose count.
  if [ "$_step" = {fatal} ] && [ ! -e "{steps}.dead" ]; then : >"{steps}.dead" && kill -s KILL $$; fi
}}
trap step DEBUG
"""
NEVER = 0


@frozen(kw_only=True)
class RemoteYard(ClusterYard):
    """One scenario in which a shell on the login machine dies, and the launcher here does not."""

    command: str
    """What it runs, such as `submit`."""

    def steps(self) -> str:
        """Let it happen undisturbed; return how many steps the command took, with all of its repetitions."""
        problems = self.die(NEVER)
        assert problems == []
        return (self.folder / "steps").read_text()

    def die(self, step: int) -> list[str]:
        """Let it die before a step; return what is wrong once the launcher has ended."""
        kills = self.scenario.command == "kill"
        call = ("kill", self.begin_endless()) if kills else ("run", "--config", "config.yaml", "--wait")
        self._arm(step)
        try:
            done = self.evalyard(*call)
            if kills and done.returncode == EXIT_BACKEND:
                done = self.evalyard(*call)  # as it says itself
            wrong = [f"exit code {done.returncode}: {done.stdout}{done.stderr}"] if done.returncode != 0 else []
            return wrong + self.unsound()
        finally:
            self.login.cluster.machines["login"].run("rm", "/usr/local/bin/sh")
            self.clear()

    def _arm(self, step: int) -> None:
        steps, trap = self.folder / "steps", self.folder / "trap.sh"
        steps.write_text("0\n")
        trap.write_text(_TRAP.format(steps=steps, fatal=step))
        self.login.cluster.machines["login"].install("sh", _SHELL.format(command=self.command, trap=trap))
