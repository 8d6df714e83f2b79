"""Executors with the bugs of real launchers, and which claims of the kit must notice each."""

from tests.contract.mutants.ending import ENDING
from tests.contract.mutants.heavy import HEAVY
from tests.contract.mutants.kinds import Mutant
from tests.contract.mutants.launching import LAUNCHING
from tests.contract.mutants.planning import PLANNING
from tests.contract.mutants.reading import READING
from tests.contract.mutants.serving import SERVING
from tests.contract.mutants.telling import TELLING
from tests.contract.mutants.watching import WATCHING

MUTANTS: tuple[Mutant, ...] = (*PLANNING, *HEAVY, *LAUNCHING, *WATCHING, *ENDING, *READING, *SERVING, *TELLING)
