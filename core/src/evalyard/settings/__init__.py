"""Parts of an executor's `Settings`: fields with one meaning, one unit and one check, whatever the executor.

Each is an attrs class for `Settings` to inherit from, without slots, so that several go together. One whose fields the
backend cannot honour is left out: a setting that means nothing is worse than none.
"""
