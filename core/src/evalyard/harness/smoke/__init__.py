"""A smoke test for OpenAI-compatible endpoints: about a hundred bundled questions with real scorers.

It shows that an endpoint answers, that requests, retries and scoring work from end to end, and roughly how capable
the model is. It is **not a benchmark**: the questions are few, easy and public.

The package needs nothing but the standard library of Python 3.8 or newer and imports only itself, so that its folder
can be copied anywhere and run there: ``PYTHONPATH=<parent folder> python3 -m smoke --help``.
"""
