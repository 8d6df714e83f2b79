"""The executor in memory keeps the contract."""

from tests.contract.fake_conformance import FakeConformance


class TestFake(FakeConformance):
    pass
