"""Tables of a scenario file that other rooms have the say in: drives, engines, faults, workloads.

They are checked by making what they describe, and kept as tables, since each run makes its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import PlainValidator, ValidationError, ValidationInfo, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from raidsim.bench import Workload
from raidsim.cpu import CpuProfile, cpu_profile, load_cpu_profile
from raidsim.disk.faults import DISK_FAULTS, disk_fault
from raidsim.disk.models import (
    DiskProfile,
    FixedProfile,
    HddProfile,
    SsdProfile,
    disk_profile,
    load_disk_profile,
)
from raidsim.dmaengine.drivers import EngineFault, load_profile
from raidsim.errors import UsageError
from raidsim.scenario.schema import dataclass_schema
from raidsim.scenario.units import in_plain_units
from raidsim.tables import TableError, from_table

if TYPE_CHECKING:
    from collections.abc import Callable


_PROFILES: tuple[type[DiskProfile], ...] = (FixedProfile, HddProfile, SsdProfile)


class FaultRule(NamedTuple):
    """A fault, as a scenario has it.

    Attributes:
        name: What the scenario calls it; its kind by default.
        may_not_fire: A run in which it never strikes is all right.
        table: What ``disk_fault`` or ``EngineFault`` takes.
    """

    name: str
    may_not_fire: bool
    table: dict[str, Any]


class WorkloadRule(NamedTuple):
    """A workload, as a scenario has it.

    Attributes:
        waits: It begins when an event starts it.
        workload: What to do.
    """

    waits: bool
    workload: Workload


def _checked(check: Callable[[Any, Path], Any]) -> PlainValidator:
    """Let ``check(value, directory)`` tell its mistakes along with all others."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        try:
            return check(value, info.context or Path())
        except TableError as error:
            mistakes = error.mistakes
        except UsageError as error:
            mistakes = (str(error),)
        raise ValidationError.from_exception_data("table", [_line(text) for text in mistakes])

    return PlainValidator(validate)


def _line(message: str) -> InitErrorDetails:
    kind = PydanticCustomError("mistake", "{message}", {"message": message})
    return InitErrorDetails(type=kind, loc=(), input=None)


def _profile_name(name: str, directory: Path) -> str:
    """A profile's name or path; a path is relative to the scenario's place."""
    return str(directory / name) if name.endswith(".toml") else name


def _check_model(value: Any, directory: Path) -> str | dict[str, Any]:
    if isinstance(value, str):
        name = _profile_name(value, directory)
        load_disk_profile(name)
        return name
    table = _a_table(value)
    for profile in _PROFILES:
        if table.get("kind") == profile.kind:
            table = in_plain_units(table, profile)
    disk_profile(table)
    return table


def _check_cpu(value: Any, directory: Path) -> str | dict[str, Any]:
    if isinstance(value, str):
        name = _profile_name(value, directory)
        load_cpu_profile(name)
        return name
    table = in_plain_units(_a_table(value), CpuProfile)
    cpu_profile(table)
    return table


def _check_engine(value: Any, directory: Path) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{value!r}: expected the name of an engine profile, or a path")
    base, plus, asked = value.partition("+")
    name = _profile_name(base, directory) + plus + asked
    load_profile(name)
    return name


def _check_disk_fault(value: Any, directory: Path) -> FaultRule:
    name, may_not_fire, table = _fault_keys(value)
    if isinstance(table.get("sectors"), str):
        table["sectors"] = str(directory / table["sectors"])
    kind = table.get("kind")
    if isinstance(kind, str) and kind in DISK_FAULTS:
        table = in_plain_units(table, DISK_FAULTS[kind])
    disk_fault(table)
    return FaultRule(name or str(kind), may_not_fire, table)


def _check_engine_fault(value: Any, directory: Path) -> FaultRule:
    del directory  # nothing in it is a path
    name, may_not_fire, table = _fault_keys(value)
    table = in_plain_units(table, EngineFault)
    fault = from_table(EngineFault, table, "engine fault")
    return FaultRule(name or fault.kind, may_not_fire, table)


def _fault_keys(value: Any) -> tuple[str, bool, dict[str, Any]]:
    table = dict(_a_table(value))
    name, may_not_fire = table.pop("name", ""), table.pop("may_not_fire", False)
    wrong = []
    if not isinstance(name, str):
        wrong.append(f"name = {name!r}: expected a text")
    if not isinstance(may_not_fire, bool):
        wrong.append(f"may_not_fire = {may_not_fire!r}: expected true or false")
    if wrong:
        raise TableError("fault", wrong)
    return name, may_not_fire, table


def _check_workload(value: Any, directory: Path) -> WorkloadRule:
    table = dict(_a_table(value))
    waits = table.pop("waits", False)
    if not isinstance(waits, bool):
        raise TableError("workload", [f"waits = {waits!r}: expected true or false"])
    trace = table.get("trace")
    if isinstance(trace, dict) and isinstance(trace.get("path"), str):
        table["trace"] = trace | {"path": str(directory / trace["path"])}
    return WorkloadRule(waits, from_table(Workload, in_plain_units(table, Workload), "workload"))


def _a_table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{value!r}: expected a table")
    return value


_NAMED = {"name": {"type": "string"}, "may_not_fire": {"type": "boolean"}}
_DISK_FAULTS = [
    dataclass_schema(fault, kind={"const": kind}, **_NAMED) for kind, fault in DISK_FAULTS.items()
]
_DRIVES = [dataclass_schema(profile, kind={"const": profile.kind}) for profile in _PROFILES]
_BY_NAME = {"type": "string"}

DiskModelTable = Annotated[
    Any, _checked(_check_model), WithJsonSchema({"anyOf": [_BY_NAME, *_DRIVES]})
]
"""A drive: the name of a profile, the path of one, or a table of one's own."""

CpuTable = Annotated[
    Any, _checked(_check_cpu), WithJsonSchema({"anyOf": [_BY_NAME, dataclass_schema(CpuProfile)]})
]
"""A CPU: the name of a profile, the path of one, or a table of one's own."""

EngineName = Annotated[str, _checked(_check_engine), WithJsonSchema(_BY_NAME)]
"""An offload engine: the name of a profile, or the path of one."""

DiskFaultTable = Annotated[
    FaultRule, _checked(_check_disk_fault), WithJsonSchema({"anyOf": _DISK_FAULTS})
]
"""A fault of a disk."""

EngineFaultTable = Annotated[
    FaultRule,
    _checked(_check_engine_fault),
    WithJsonSchema(dataclass_schema(EngineFault, **_NAMED)),
]
"""A fault of an engine."""

WorkloadTable = Annotated[
    WorkloadRule,
    _checked(_check_workload),
    WithJsonSchema(dataclass_schema(Workload, waits={"type": "boolean"})),
]
"""A workload."""
