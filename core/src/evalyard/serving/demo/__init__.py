"""A model endpoint for trying things out: OpenAI-compatible, without a model, on the standard library alone.

Its answers come from a few rules (`solver`). The folder imports only itself and can be copied anywhere and run there:
``PYTHONPATH=<parent folder> python3 -m demo --help``, with Python 3.8 or newer.
"""
