"""How mismatches are shown: a table of them, a summary by member, and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.cli.output import table_lines
from raidsim.cli.parameters import SECTOR_BYTES
from raidsim.md.raid5.mismatch import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.md.layout import Geometry
    from raidsim.md.raid5.mismatch import Mismatch, MismatchLog

_HEADING = ("row", "member sector", "wrong", "evidence", "array offset")
_NUMBERS = (0, 1, 3)


def mismatch_facts(log: MismatchLog, geometry: Geometry, *, listed: bool) -> dict[str, object]:
    """The facts for JSON; each mismatch by itself as well if they are to be ``listed``."""
    facts: dict[str, object] = {
        "wrong_members": [
            {"slot": slot, "image": device, "pages": pages}
            for (slot, device), pages in log.by_member.most_common()
        ],
        "several_wrong_pages": log.several,
        "unknown_wrong_pages": log.unknown,
    }
    if listed:
        facts["mismatches"] = [_facts(mismatch, geometry) for mismatch in log.listed]
        facts["unlisted_mismatches"] = log.total - len(log.listed)
    return facts


def _facts(mismatch: Mismatch, geometry: Geometry) -> dict[str, object]:
    alone = mismatch.member >= 0
    return {
        "row": mismatch.sector // geometry.chunk_sectors,
        "member_sector": mismatch.sector,
        "wrong": mismatch.wrong,
        "slot": mismatch.member if alone else None,
        "image": mismatch.device if alone else None,
        "evidence_bytes": mismatch.evidence_bytes,
        "array_offsets": _array_offsets(mismatch, geometry),
    }


def mismatch_table(log: MismatchLog, geometry: Geometry) -> Iterator[str]:
    """A line for each listed mismatch below a heading, or nothing at all."""
    if not log.listed:
        return
    rows = [_HEADING, *(_cells(mismatch, geometry) for mismatch in log.listed)]
    yield from table_lines(rows, right=_NUMBERS)
    if log.total > len(log.listed):
        yield f"({log.total - len(log.listed)} more are counted, not listed)"


def _cells(mismatch: Mismatch, geometry: Geometry) -> tuple[str, ...]:
    if mismatch.wrong == Wrong.SEVERAL:
        wrong = "more than one member"
    elif mismatch.wrong == Wrong.UNKNOWN:
        wrong = "cannot be told"
    else:
        wrong = f"{mismatch.device} (slot {mismatch.member}, {mismatch.wrong})"
    return (
        str(mismatch.sector // geometry.chunk_sectors),
        str(mismatch.sector),
        wrong,
        _count(mismatch.evidence_bytes, "byte") if mismatch.evidence_bytes else "-",
        " ".join(map(str, _array_offsets(mismatch, geometry))) or "-",
    )


def _array_offsets(mismatch: Mismatch, geometry: Geometry) -> list[int]:
    return [sector * SECTOR_BYTES for sector in mismatch.array_sectors(geometry)]


def check_summary(log: MismatchLog) -> Iterator[str]:
    """Whom the mismatches that a check found point to."""
    mismatches = _count(log.total, "mismatch", "mismatches")
    for (_, device), pages in log.by_member.most_common():
        if log.total == 1:
            yield f"the mismatch points to {device}"
        elif pages == log.total:
            yield f"all {mismatches} point to {device}"
        else:
            yield f"{pages} of {mismatches} point to {device}"
    if log.several:
        yield f"{log.several} of {mismatches}: more than one member is wrong"
    if log.unknown:
        yield f"{log.unknown} of {mismatches}: one parity cannot tell which member is wrong"


def repair_summary(log: MismatchLog) -> Iterator[str]:
    """What a repair of the members that are wrong did."""
    for (_, device), pages in log.by_member.most_common():
        yield f"rewrote {_count(pages, 'page')} of {device}"
    if log.several:
        yield f"left {_count(log.several, 'page')} alone: more than one member is wrong"
    if log.unknown:
        yield f"left {_count(log.unknown, 'page')} alone: it cannot be told which member is wrong"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
