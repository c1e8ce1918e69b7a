from __future__ import annotations

from pathlib import Path

import pytest
from uml import RealMd, missing_packages


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.oracle)


@pytest.fixture
def real_md() -> type[RealMd]:
    """Real Linux md: `real_md.run(images, script)`, or `with real_md(images, script) as md`."""
    if missing := missing_packages():
        pytest.skip(f"real md needs the Debian packages {', '.join(missing)}")
    return RealMd
