"""The SDK's types, imported without its deprecation warnings, which are errors in tests."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from leptonai.api.v2 import translation
    from leptonai.api.v2.job_validation import validate_job_create
    from leptonai.api.v2.types.deployment import LeptonDeployment
    from leptonai.api.v2.types.job import LeptonJob
    from leptonai.api.v2.types.secret import SecretItem

__all__ = ["LeptonDeployment", "LeptonJob", "SecretItem", "translation", "validate_job_create"]
