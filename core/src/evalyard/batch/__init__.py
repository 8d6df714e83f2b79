"""Batch schedulers: what all of them need, so that an executor for one says only what is its own.

`BatchSystem` is a scheduler's words as data, `Cluster` does at its login node what the hooks ask for, and
`BatchExecutor` answers the hooks with it. Commands are sent as one text for a POSIX shell each, over ssh or on this
machine: they look at files and ask the scheduler in one go. Whatever has to be read in its answers is read here, by
pure functions.
"""
