"""Claims about faults: an outage, a backend that hangs, answers without content, a crowd of jobs."""

from __future__ import annotations

import pytest

from evalyard.records.handles import Handle
from evalyard.states import JobState
from evalyard.testing.claims import Claims
from evalyard.testing.rig import Rig
from evalyard.testing.storm import Storm, StormMaker

_NO_END = "no news is no end"
_UNLISTED = ("NEVER_HEARD_OF", "COMPLETELY_NEW", "succeeded-maybe", "FAILED?")
"""Words that no backend says; some look like those that it does."""


class FaultClaims(Claims):
    """Faults. Jobs go through one storm; what came of it is what these claims look at."""

    def storm(self, rig: Rig) -> Storm:
        """Have the storm, once for all claims."""
        maker = StormMaker(
            rig=rig,
            weather=self.weather,
            lines_of=self.lines_of,
            starts=self.starts,
            hang_s=self.hang_s,
            late_s=self.late_s,
            crowd=self.crowd,
        )
        return self.once("storm", maker.have)

    def test_an_outage_of_hours_ends_nothing_and_loses_nothing(self, rig: Rig) -> None:
        """When the backend does not answer, `status` raises Transient: an answer without the jobs is another thing."""
        storm = self.storm(rig)
        self.disturbed(storm.disturbed["status"], "status")
        for seen in storm.outage:
            assert not seen[storm.live.name].state.final, _NO_END
            assert not seen[storm.live.name].missing, "an outage is no answer: raise Transient"
            assert seen[storm.ended.name].state in (JobState.SUCCEEDED, JobState.UNKNOWN)
            assert all(one.reason for one in seen.values() if one.state is JobState.UNKNOWN), "UNKNOWN has a cause"
        assert storm.recorded is not None
        assert not storm.recorded.state.final

    def test_after_an_outage_everything_is_seen_as_it_is(self, rig: Rig) -> None:
        """Nothing is cancelled, and nothing remembered wrongly, because the backend was silent for a while."""
        storm = self.storm(rig)
        self.disturbed(storm.disturbed["status"], "status")
        assert storm.beating, "the running job has ended: silence is no wish"
        assert storm.calm[storm.live.name].state is JobState.RUNNING
        assert storm.calm[storm.ended.name].state is JobState.SUCCEEDED

    def test_during_an_outage_nothing_is_said_to_be_absent(self, rig: Rig) -> None:
        """A name that `find` leaves out is launched again: raise Transient when the backend did not answer."""
        storm = self.storm(rig)
        self.disturbed(storm.disturbed["find"], "find")
        for told in (storm.found, storm.hanging["find"]):
            if told.error is None and not told.late:
                assert isinstance(told.answer, dict)
                assert set(told.answer) == {storm.live.name}

    def test_during_an_outage_nothing_that_lives_is_said_to_be_gone(self, rig: Rig) -> None:
        """`teardown` returns what remains, or raises, until the backend says that it is absent."""
        storm = self.storm(rig)
        self.disturbed(storm.disturbed["teardown"], "teardown")
        for told, dead in ((storm.released, storm.silent), (storm.hanging["teardown"], storm.doomed)):
            if told.error is None and told.answer == ():
                assert dead, "said to be gone, and at work"

    def test_an_answer_without_content_ends_nothing(self, rig: Rig) -> None:
        """Exit code 0 and nothing printed, half a line, half a document: the rest is not known, and no state."""
        storm = self.storm(rig)
        for kind, seen in storm.blind.items():
            self.disturbed(storm.disturbed[kind], "status")
            assert not seen[storm.live.name].state.final, f"{kind}: {_NO_END}"
            assert seen[storm.ended.name].state in (JobState.SUCCEEDED, JobState.UNKNOWN), kind

    def test_a_word_that_is_not_in_the_table_is_unknown_and_is_shown(self) -> None:
        """States are a table with an honest bottom: a new release of the backend says words that no table has."""
        for word in _UNLISTED:
            seen = self.observation_of(word)
            if seen is None:
                pytest.skip("not offered: foreign words")
            assert seen.state is JobState.UNKNOWN, word
            assert word in seen.reason, f"{word} is not in the reason: {seen.reason}"

    def test_every_call_ends_at_its_deadline_though_the_backend_hangs(self, rig: Rig) -> None:
        """Give each request what is left (`ctx.remaining_s`) as its timeout, and wait in loops until `ctx.deadline`."""
        storm = self.storm(rig)
        self.disturbed(storm.disturbed["anything"], "no hook")
        late = [name for name, told in storm.hanging.items() if told.late]
        assert late == [], f"not ended {self.late_s:.0f} s after the deadline"

    def test_a_hanging_backend_is_no_end_and_no_refusal(self, rig: Rig) -> None:
        """A call that ran out of time is Transient: whether it took effect is not known."""
        storm = self.storm(rig)
        self.disturbed(storm.disturbed["anything"], "no hook")
        seen, launched = storm.hanging["status"], storm.hanging["launch"]
        assert isinstance(seen.answer, dict)
        assert not seen.answer[storm.live.name].state.final, _NO_END
        if launched.error is not None:
            assert launched.error.transient, launched.error
        elif not launched.late:
            assert isinstance(launched.answer, dict)
            refused = [one for one in launched.answer.values() if not isinstance(one, Handle) and not one.transient]
            assert refused == []

    def test_a_launch_that_hung_is_made_good_and_runs_once(self, rig: Rig) -> None:
        """Whatever the first launch left behind, looking for the job and launching it again gives one run."""
        storm = self.storm(rig)
        self.disturbed(storm.disturbed["anything"], "no hook")
        assert storm.starts == 1

    def test_a_crowd_of_jobs_is_one_query(self, rig: Rig) -> None:
        """The number of programs, connections and requests of `status` does not grow with the number of jobs.

        Nor does a list of arguments: a thousand names go to standard input, or are not named at all.
        """
        storm = self.storm(rig)
        many, few = ([asked[:200] for asked in every[:20]] for every in (storm.many, storm.few))
        assert len(storm.many) <= len(storm.few), f"{self.crowd} jobs: {many}; three: {few}"
        assert storm.crowd[storm.live.name].state is JobState.RUNNING, storm.crowd[storm.live.name].reason
        assert storm.crowd[storm.ended.name].state is JobState.SUCCEEDED
        strange = [seen for name, seen in storm.crowd.items() if name not in (storm.live.name, storm.ended.name)]
        assert [seen for seen in strange if seen.state is JobState.SUCCEEDED] == []
