"""One line of text for each event, in fixed columns: time, kind, name, what, details.

The same run gives the same lines, to the byte. docs/reference/events.md has the legend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.cpu import CpuWork
from raidsim.disk import events as disk
from raidsim.dmaengine import events as engine
from raidsim.md import events as md
from raidsim.md.raid5 import events as stripe
from raidsim.sim import CONTEXT_NAMES
from raidsim.trace.canvas import status_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    # Kind, name, what, details.
    Columns = tuple[str, str, str, str]

_SECOND_NS = 1_000_000_000


def event_line(time_ns: int, event: object) -> str | None:
    """Return the line of ``event``; None for one that is of no kind known here."""
    columns = _array(event) or _request(event) or _stripe(event) or _disk(event) or _engine(event)
    return None if columns is None else in_columns(time_ns, columns)


def in_columns(time_ns: int, columns: Columns) -> str:
    """Return the line of an event whose kind, name, what and details these are."""
    kind, name, what, details = columns
    seconds, rest_ns = divmod(time_ns, _SECOND_NS)
    return f"{seconds:6}.{rest_ns:09}  {kind:<7} {name:<12} {what:<11} {details}".rstrip()


def _array(event: object) -> Columns | None:
    """What happens to the array as a whole."""
    match event:
        case md.ArrayDirty(dirty):
            return "array", "", "dirty" if dirty else "clean", ""
        case md.ArrayFailed():
            return "array", "", "failed", "more members are gone than it can bear to lose"
        case md.MemberFailed(member, slot):
            return "member", member, "failed", f"slot {slot}" if slot >= 0 else "spare"
        case md.MemberAssigned(member, slot, replacement):
            return "member", member, "replaces" if replacement else "assigned", f"slot {slot}"
        case md.MemberActive(member, slot):
            return "member", member, "active", f"slot {slot}"
        case md.MemberReplaced(member, slot):
            return "member", member, "replaced", f"slot {slot}"
        case md.SyncBegan(action, sector):
            return "sync", action, "began", f"at {sector}"
        case md.SyncCheckpoint(action, sector):
            return "sync", action, "checkpoint", f"at {sector}"
        case md.SyncEnded(action, sector, interrupted):
            return "sync", action, "interrupted" if interrupted else "ended", f"at {sector}"
        case md.ReadErrorCorrected(member, sector, sectors):
            return "member", member, "corrected", f"data sectors {sector}+{sectors}"
        case md.BadBlocksRecorded(member, sector, sectors):
            return "member", member, "badblocks", f"data sectors {sector}+{sectors}"
        case md.MismatchFound(sector, sectors):
            return "array", "", "mismatch", f"data sectors {sector}+{sectors}"
    return None


def _request(event: object) -> Columns | None:
    """Requests, and updates of the metadata."""
    match event:
        case md.BioSubmitted(number, operation, sector, sectors, fua):
            return "bio", f"#{number}", operation, f"{sector}+{sectors}{' fua' if fua else ''}"
        case md.BioEnded(number, operation, sector, sectors, status, origin):
            place = f"{operation} {sector}+{sectors} {status_name(status)}"
            return "bio", f"#{number}", "ended", f"{place}{_for(origin, 'by')}"
        case md.SuperblocksBegun(number, origin, events):
            return "sb", f"#{number}", "begun", f"events {events}{_for(origin)}"
        case md.SuperblocksWritten(number):
            return "sb", f"#{number}", "written", ""
        case md.BitmapBegun(number, origin, pages):
            return "bitmap", f"#{number}", "begun", f"pages {pages}{_for(origin)}"
        case md.BitmapWritten(number):
            return "bitmap", f"#{number}", "written", ""
    return None


def _stripe(event: object) -> Columns | None:
    match event:
        case stripe.StripeTaken(number, slot, sector, units, row):
            details = f"row {row} sectors {sector}+{units * 8} slot {slot}"
            return "stripe", f"#{number}", "taken", details
        case stripe.StripeAsked(number, origin, purpose, parts):
            places = " ".join(f"{member}:{first}+{length}" for member, first, length in parts)
            return "stripe", f"#{number}", purpose, f"{places}{_for(origin)}".strip()
        case stripe.WriteCosts(number, rmw, rcw, rmw_reads, rcw_reads, refused):
            costs = f"rmw {rmw} ({_list(rmw_reads)}) rcw {rcw} ({_list(rcw_reads)})"
            return "stripe", f"#{number}", "costs", f"{costs} {refused}"
        case stripe.StripeOperations(number, operations):
            chains = " ".join(f"{name}({_list(members)})" for name, members in operations)
            return "stripe", f"#{number}", "run", chains
        case stripe.StripeReleased(number):
            return "stripe", f"#{number}", "released", ""
    return None


def _disk(event: object) -> Columns | None:
    match event:
        case disk.DiskSubmitted(name, number, origin, operation, sector, sectors, fua):
            place = f"#{number} {sector}+{sectors}{' fua' if fua else ''}"
            return "disk", name, operation, f"{place}{_for(origin)}"
        case disk.DiskServiced(name, operation, sector, sectors, submitted_ns, started_ns, numbers):
            place = f"{_numbers(numbers)}{operation} {sector}+{sectors}"
            return "disk", name, "serviced", f"{place} waited {started_ns - submitted_ns} ns"
        case disk.DiskEnded(name, number, operation, sector, sectors, status):
            place = f"#{number} {operation} {sector}+{sectors}"
            return "disk", name, "ended", f"{place} {status_name(status)}"
        case disk.DiskFaultFired(name, kind, operation, sector, sectors, number):
            place = f"{_numbers((number,) if number else ())}{operation} {sector}+{sectors}"
            return "fault", name, kind, place
        case disk.PowerFailed(names, unsettled):
            return "power", "", "failed", f"{len(names)} disks, {unsettled} unsettled writes"
    return None


def _engine(event: object) -> Columns | None:
    match event:
        case engine.Submitted(channel, cookie, operation, length, source_bytes, origin):
            sources = f" of {source_bytes}" if source_bytes != length else ""
            return "engine", channel, operation, f"{cookie} {length}{sources}{_for(origin)}"
        case engine.Issued(channel, cookie, operation):
            return "engine", channel, "issued", f"{cookie} {operation}"
        case engine.Serviced(channel, cookie, operation, _):
            return "engine", channel, "serviced", f"{cookie} {operation}"
        case engine.Completed(channel, cookie, operation):
            return "engine", channel, "completed", f"{cookie} {operation}"
        case engine.Callback(channel, context):
            where = f"in {CONTEXT_NAMES[context]} context"
            return (
                ("cpu", "", "callback", where)
                if channel is None
                else ("engine", channel, "callback", where)
            )
        case engine.ChannelSwitch(parent, child, interrupt, origin):
            how = "by interrupt" if interrupt else "by polling"
            return "engine", parent, "switch", f"to {child} {how}{_for(origin)}"
        case engine.EngineFaultFired(channel, kind, operation):
            return "fault", channel, kind, operation
        case CpuWork(what, _, duration_ns, origin):
            return "cpu", "", "busy", f"{what} {duration_ns} ns{_for(origin)}"
        case engine.Software(operation, length, origin):
            return "cpu", "", operation, f"{length}{_for(origin)}"
    return None


def _for(origin: int, word: str = "for") -> str:
    return f" {word} #{origin}" if origin else ""


def _list(members: Iterable[int]) -> str:
    return " ".join(map(str, members))


def _numbers(numbers: Iterable[int]) -> str:
    return "".join(f"#{number} " for number in numbers)
