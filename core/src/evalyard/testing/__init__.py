"""For authors of executors and for our own tests: a conformance kit, an executor in memory, a kill-point driver."""
