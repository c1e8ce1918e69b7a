"""Reports of syncs as plain values, and back."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import Any

from raidsim.array import SyncReport
from raidsim.md.raid5.mismatch import Mismatch, MismatchLog, Wrong


def report_to_plain(report: SyncReport) -> dict[str, Any]:
    """Return ``report`` as a JSON object."""
    log = report.mismatches
    plain = asdict(replace(report, mismatches=None))
    return plain if log is None else plain | {"mismatches": _log_to_plain(log)}


def report_from_plain(plain: dict[str, Any]) -> SyncReport:
    """Return the report that ``report_to_plain`` made ``plain`` of."""
    log = plain["mismatches"]
    return SyncReport(**{**plain, "mismatches": None if log is None else _log_from_plain(log)})


def _log_to_plain(log: MismatchLog) -> dict[str, Any]:
    return {
        "listed": [asdict(mismatch) for mismatch in log.listed],
        "by_member": [[slot, device, units] for (slot, device), units in log.by_member.items()],
        "several": log.several,
        "unknown": log.unknown,
    }


def _log_from_plain(plain: dict[str, Any]) -> MismatchLog:
    log = MismatchLog()
    log.listed = [
        Mismatch(**{**mismatch, "wrong": Wrong(mismatch["wrong"])}) for mismatch in plain["listed"]
    ]
    log.by_member = Counter({(slot, device): units for slot, device, units in plain["by_member"]})
    log.several = plain["several"]
    log.unknown = plain["unknown"]
    return log
