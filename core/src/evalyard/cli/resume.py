"""`evalyard resume`."""

from __future__ import annotations

from evalyard.cli import hints
from evalyard.cli.options import EnvFile
from evalyard.cli.render import put, say, show_notices
from evalyard.cli.run import Wait
from evalyard.cli.waiting import launched, see_through
from evalyard.config.loaded import environment
from evalyard.orchestrator.begin import resume as resume_run
from evalyard.store.lookup import look_up
from evalyard.store.runs import Store


def resume(id: str, /, *, wait: Wait = False, env_file: EnvFile = None) -> int:  # noqa: A002 - shown as ID in the help
    """Go on with a run: adopt what runs, launch what waits, and try again what ended without success.

    Args:
        id: A run (all of its jobs that did not succeed) or one job; a whole id or its start.
    """
    store = Store()
    environ, _ = environment(env_file)
    selection = look_up(store, id)
    show_notices()
    run = resume_run(store, selection, environ=environ, stay=wait, announce=lambda opened: put(opened.id))
    say(f"follow     {hints.logs(run.id)}")
    say(f"status     {hints.status(run.id)}")
    return see_through(run) if wait else launched(run)
