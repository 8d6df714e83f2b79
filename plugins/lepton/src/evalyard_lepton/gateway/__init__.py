"""The only user of the SDK: one workspace, a dozen requests, and errors that say what to do.

The SDK is imported when the first gateway is opened, as that takes seconds. No other package may import it, and
outside this package nothing of it is seen.
"""

from evalyard_lepton.gateway.answers import EndpointView, JobView, LogLine, Trouble
from evalyard_lepton.gateway.bodies import refused_endpoint, refused_job
from evalyard_lepton.gateway.errors import LOGIN, Absent, Conflict
from evalyard_lepton.gateway.workspace import ALIVE, ALL, Gateway

__all__ = [
    "ALIVE",
    "ALL",
    "LOGIN",
    "Absent",
    "Conflict",
    "EndpointView",
    "Gateway",
    "JobView",
    "LogLine",
    "Trouble",
    "refused_endpoint",
    "refused_job",
]
