"""For authors of executors and for our own tests: a conformance kit, an executor in memory, a kill-point driver."""

import sys

if "pytest" in sys.modules:
    # A claim that fails shows its values only if pytest knew of its module before the first import of it.
    sys.modules["pytest"].register_assert_rewrite(
        "evalyard.testing.claims",
        *(f"evalyard.testing.claims_{group}" for group in ("ends", "lifecycle", "needs", "output", "plan")),
        "evalyard.testing.rig",
    )
