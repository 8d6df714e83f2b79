"""Jobs that a toy of a scheduler was sent."""

import json
from pathlib import Path

from evalyard import Context, Handle, Plan
from evalyard.batch.cluster import Cluster
from tests.core.batch.toy import TOY

CLUSTER = Cluster(TOY)
MARK = "0123456789abcdef0123456789abcdef"
OTHER_MARK = "fedcba9876543210fedcba9876543210"
NAME = "ey-a1b2c3d4-1-1"


def plan(ctx: Context, number: int = 1, mark: str = MARK, *, made: bool = True) -> Plan:
    directory = Path(ctx.run_dir) / f"it's task {number}"
    if made:
        directory.mkdir(exist_ok=True)
    name = f"ey-a1b2c3d4-{number}-1"
    return Plan(
        job=f"a1b2c3d4.{number}",
        task="task",
        attempt=1,
        name=name,
        mark=mark,
        directory=str(directory),
        argv=("tsub", "--name", name, "job.sh", "1"),
    )


def submitted(ctx: Context, *plans: Plan) -> list[Handle]:
    answers = CLUSTER.submit(ctx, plans)
    handles = [answer for answer in answers.values() if isinstance(answer, Handle)]
    assert len(handles) == len(plans), answers
    return handles


def record(handle: Handle) -> Path:
    return Path(handle.data["directory"]) / "attempts" / "1"


def end_of(handle: Handle, exit_code: int = 0) -> None:
    texts = dict.fromkeys(("signal", "reason", "started_at", "ended_at"), "")
    data = {**texts, "attempt": 1, "mark": handle.mark, "by_hand": False, "exit_code": exit_code, "results": True}
    (record(handle) / "exit.json").write_text(json.dumps(data) + "\n")
