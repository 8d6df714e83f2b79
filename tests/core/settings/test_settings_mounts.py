"""evalyard.settings.mounts: what containers see."""

from evalyard import Mount, mounts_of


def test_a_mount_is_read_only_when_it_says_so() -> None:
    assert mounts_of({"/a": "/b", "/c": "/d:ro", "/e": "/f:rw", "/g": "/h:i"}) == (
        Mount(source="/a", target="/b"),
        Mount(source="/c", target="/d", read_only=True),
        Mount(source="/e", target="/f"),
        Mount(source="/g", target="/h:i"),
    )
