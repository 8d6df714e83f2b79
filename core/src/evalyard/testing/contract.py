"""The contract that every executor keeps, as tests that its author subclasses.

    from evalyard.testing import Conformance

    class TestMine(Conformance):
        executor = "mine"                     # the entry point's name
        settings = {"host": "localhost"}      # the execution: section, without type and output_dir
        serves = True                         # it starts model servers
        not_offered = frozenset({"orphans"})  # what it knowingly does not do

Needs pytest. A claim that cannot hold because a capability is absent fails, unless `not_offered` lists that capability:
`check`, `deployments`, `discovery`, `fetch`, `orphans`, `outage`. Where the run directory is not on this machine's
disk, replace `read_file`, `file_mode`, `spoil` and `server_answers`; where the backend is asked otherwise than by
programs and new connections, replace `weather`; where it calls states by words, replace `observation_of`.
"""

from __future__ import annotations

from evalyard.testing.claims_ends import EndClaims
from evalyard.testing.claims_faults import FaultClaims
from evalyard.testing.claims_lifecycle import LifecycleClaims
from evalyard.testing.claims_logs import LogClaims
from evalyard.testing.claims_needs import NeedClaims
from evalyard.testing.claims_output import OutputClaims
from evalyard.testing.claims_plan import PlanClaims
from evalyard.testing.claims_settings import SettingClaims


# pytest begins with the last one: first what everything else stands on.
class Conformance(
    NeedClaims, OutputClaims, LogClaims, FaultClaims, EndClaims, LifecycleClaims, SettingClaims, PlanClaims
):
    """Subclass it as `Test...`.

    Attributes:
        executor: the entry point's name.
        executor_class: the class itself, for an executor that is not installed; then `discovery` is not offered.
        settings: the `execution:` section, without `type` and `output_dir`.
        environ: variables that the launcher has: where `ctx.secret` finds the executor's own credentials.
        serves: whether it starts model servers.
        server_config: what `deployment.<executor>_config` says of model servers.
        image: where jobs and servers run in containers: an image with a POSIX shell, its usual commands and python3.
        not_offered: capabilities that it knowingly lacks.
        heavy_modules: top-level packages that importing the executor must not load.
        other_settings: dotted key of a setting -> another value that it takes, where the kit's own do not fit.
        not_in_plan: dotted keys of settings that change neither plan nor connection.
        impatient: settings with which a job waits a second or two for its model server.
        awkward_folder: the name of a folder that run directories are made in, as awkward as the backend can bear.
        restarts_servers: whether the backend starts a model server again that has died.
        stored: a folder with records that earlier releases of the executor have written.
        patience_s: how long anything is waited for, in seconds; what shall live long lives as long.
        races: how often two launchers race for one job.
        polls: how often an ended job is looked at.
        crowd: how many jobs are asked about at once.
        log_lines: how many lines a large log has.
        hang_s: the deadline of calls to a backend that hangs, in seconds.
        late_s: how long after its deadline such a call may end.
    """
