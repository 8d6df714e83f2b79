"""A mutant that is heavy to import."""

import requests

from evalyard.testing import Conformance
from evalyard.testing.fake import Fake
from tests.contract.mutants.kinds import Mutant


class ImportsItsSdk(Fake):
    """Imports its SDK at once, so that every command pays for it."""

    sdk = requests


HEAVY = (Mutant(executor=ImportsItsSdk, fails=(Conformance.test_importing_it_loads_no_heavy_package,)),)
