"""Conformance kits for people who write engines and disks: is it what its users take it for?"""

from raidsim.testing.disk import (
    DISK_POINTS,
    DiskConformanceError,
    DiskReport,
    check_block_device,
)
from raidsim.testing.disk_figures import measure_figure
from raidsim.testing.engine import (
    ENGINE_POINTS,
    EngineConformanceError,
    EngineReport,
    check_engine,
)

__all__ = [
    "DISK_POINTS",
    "ENGINE_POINTS",
    "DiskConformanceError",
    "DiskReport",
    "EngineConformanceError",
    "EngineReport",
    "check_block_device",
    "check_engine",
    "measure_figure",
]
