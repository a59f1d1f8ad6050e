"""A benchmark that the disk cannot hold does not begin."""

from __future__ import annotations

import pytest

from bench.growth.__main__ import refuse_a_small_disk


def test_a_small_disk_is_refused_with_what_is_needed() -> None:
    with pytest.raises(SystemExit, match=r"^bench: needs 30002 GB of disk, and \d+ GB are free$"):
        refuse_a_small_disk((0, 10**9 - 50_000))
    refuse_a_small_disk(())
