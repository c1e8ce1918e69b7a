"""Conformance kits for people who write engines: is a driver what its users take it for?"""

from raidsim.testing.engine import (
    ENGINE_POINTS,
    EngineConformanceError,
    EngineReport,
    check_engine,
)

__all__ = ["ENGINE_POINTS", "EngineConformanceError", "EngineReport", "check_engine"]
