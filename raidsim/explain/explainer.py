"""Runs one request on a shadow of an array, and makes an explanation of what it hears."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from raidsim.array.snapshot import take_snapshot
from raidsim.disk.events import DiskSubmitted
from raidsim.dmaengine.events import ChannelSwitch, Software, Submitted
from raidsim.errors import UsageError
from raidsim.explain.explanation import Costs, Explanation, Metadata, Step, Stripe, Work
from raidsim.explain.reasons import why_software, why_this_way
from raidsim.explain.shadow import open_shadow
from raidsim.md.events import BioSubmitted, BitmapBegun, SuperblocksBegun
from raidsim.md.mddev import ArrayStateError
from raidsim.md.raid5.events import StripeAsked, StripeOperations, StripeTaken, WriteCosts
from raidsim.md.raid5.stripe_head import members

if TYPE_CHECKING:
    import os

    from raidsim.array import Array


MAX_BYTES = 16 << 20


def explain_request(
    path: str | os.PathLike[str], operation: str, offset: int, length: int
) -> Explanation:
    """Explain what an array would do for one request; nothing is changed.

    Args:
        path: the array directory.
        operation: "read" or "write".
        offset: first byte.
        length: how many.

    Raises:
        RaidsimError: the array cannot be run, or would refuse the request; or that is longer than
            ``MAX_BYTES``.
    """
    if not 0 < length <= MAX_BYTES:
        raise UsageError(f"a length of 1 to {MAX_BYTES} bytes can be explained, not {length}")
    array = open_shadow(path)
    try:
        explainer = _Explainer(array, operation, offset, length)
        unsubscribe = array.machine.sim.hook.subscribe(explainer.listen)
        try:
            if operation == "read":
                array.read(offset, length)
            else:
                array.write(offset, np.zeros(length, np.uint8))
            array.machine.sim.run()
        except ArrayStateError as error:
            if not explainer.heard:
                raise
            explainer.explanation.failure = str(error)
        finally:
            unsubscribe()
        return explainer.finish()
    finally:
        array.abandon()


class _Explainer:
    """Listens, and sorts what it hears by the stripe that it is for."""

    def __init__(self, array: Array, operation: str, offset: int, length: int) -> None:
        self._array = array
        self._mddev = array.mddev
        snapshot = take_snapshot(array)
        slots = range(snapshot.raid_disks)
        working = [rdev for rdev in self._mddev.rdevs if not (rdev.replacement or rdev.faulty)]
        in_slot = {rdev.raid_disk: rdev for rdev in working}
        self._slots = {r.name: r.raid_disk for r in self._mddev.rdevs}
        self.heard = False
        self.explanation = Explanation(
            array=str(array.directory.path),
            operation=operation,
            offset=offset,
            length=length,
            level=snapshot.level,
            layout=snapshot.layout_name,
            chunk_bytes=snapshot.chunk_sectors * 512,
            disks=[in_slot[slot].name if slot in in_slot else None for slot in slots],
            degraded=snapshot.degraded,
            engines=[PurePath(engine).name for engine in array.directory.engines],
            rmw_level=self._mddev.personality.conf.rmw_level,
        )
        self._requests: set[int] = set()
        # What has numbers is found by them; reads past the stripe cache by their rows.
        self._stripes: dict[int, Stripe] = {}
        self._metadata: dict[int, Metadata] = {}
        self._direct: dict[int, Stripe] = {}

    def listen(self, _time_ns: int, event: object) -> None:
        """Take an event down."""
        self.heard = True
        match event:
            case BioSubmitted(number):
                self._requests.add(number)
            case StripeTaken(number, _, sector, units, _):
                self._stripes[number] = self._stripe(sector, units * 8)
            case StripeAsked(number, origin, purpose, parts):
                self._ask(number, origin, purpose, parts)
            case WriteCosts():
                self._weigh(event)
            case StripeOperations(number, operations):
                self._stripes[number].steps.append(Step(kind="run", chains=list(operations)))
            case DiskSubmitted():
                self._access(event)
            case Submitted() | Software() | ChannelSwitch():
                stripe = self._stripes.get(event.origin)
                if stripe is not None:
                    _carry_out(stripe.steps[-1], event)
            case SuperblocksBegun(number, _, events):
                self._metadata[number] = Metadata(kind="superblocks", events=events)
            case BitmapBegun(number, origin, pages):
                if origin not in self._metadata:  # else it is the bitmap's own superblock
                    self._metadata[number] = Metadata(kind="bitmap", pages=pages)

    def finish(self) -> Explanation:
        """Make of it what there is to say."""
        explanation = self.explanation
        explanation.metadata = [one for one in self._metadata.values() if one.disks]
        explanation.stripes = [stripe for stripe in explanation.stripes if stripe.parts]
        for stripe in explanation.stripes:
            self._give_reasons(stripe)
        return explanation

    # -- stripes --------------------------------------------------------------------------------

    def _stripe(self, sector: int, sectors: int) -> Stripe:
        geometry = self._mddev.geometry
        number = sector // geometry.chunk_sectors
        row = geometry.rows[number % geometry.period]
        holds = ["-"] * geometry.raid_disks
        for index, slot in enumerate(row.data_disks):
            holds[slot] = f"D{index}"
        holds[row.pd_idx] = "P"
        if row.qd_idx >= 0:
            holds[row.qd_idx] = "Q"
        stripe = Stripe(
            row=number,
            sector=sector,
            sectors=sectors,
            holds=holds,
            lacks=self._lacks(sector, sectors),
            purpose="",
        )
        self.explanation.stripes.append(stripe)
        return stripe

    def _lacks(self, sector: int, sectors: int) -> dict[int, str]:
        """The slots whose part of a stripe is not there, and why."""
        conf = self._mddev.personality.conf
        insync = conf.insync_mask(sector + sectors)
        lacks = {
            slot: "missing" if conf.disks[slot] is None else "not rebuilt yet"
            for slot in sorted(members(conf.all_mask & ~insync))
        }
        bad = conf.bad_members(sector, sectors)
        return lacks | dict.fromkeys(sorted(bad), "bad block")

    def _ask(
        self, number: int, origin: int, purpose: str, parts: tuple[tuple[int, int, int], ...]
    ) -> None:
        stripe = self._stripes[number]
        if purpose == "split":
            parent = self._stripes[origin]
            stripe.purpose = parent.purpose
            start = (stripe.sector - parent.sector) * 512
            stripe.parts = _cut(parent.parts, start, stripe.sectors * 512)
        elif origin in self._requests:
            if stripe.purpose != purpose:  # what is written in part was read first
                stripe.purpose, stripe.parts = purpose, []
            stripe.parts += parts

    def _weigh(self, event: WriteCosts) -> None:
        stripe = self._stripes[event.number]
        if stripe.costs is None:
            stripe.costs = Costs(
                rmw=event.rmw,
                rcw=event.rcw,
                rmw_reads=event.rmw_reads,
                rcw_reads=event.rcw_reads,
                rmw_refused=event.rmw_refused,
            )

    def _give_reasons(self, stripe: Stripe) -> None:
        costs = stripe.costs
        for step in stripe.steps:
            chains = [name for name, _ in step.chains]
            if costs is not None and any(name.startswith("reconstruct") for name in chains):
                costs.chosen = "rmw" if chains[0].startswith("prexor") else "rcw"
                costs.why = why_this_way(costs, self.explanation.rmw_level)
            for work in step.work:
                if work.channel is None:
                    machine = self._array.machine
                    work.why = why_software(machine, work.operation, work.length, chains)

    # -- disks ----------------------------------------------------------------------------------

    def _access(self, event: DiskSubmitted) -> None:
        if event.origin in self._metadata:
            self._metadata[event.origin].disks += event.operation == "write"
            return
        stripe = self._stripes.get(event.origin)
        slot = self._slots.get(event.disk, -1)
        if stripe is None:
            if event.origin not in self._requests or slot < 0 or not event.sectors:
                return
            stripe = self._directly(event, slot)
        step = stripe.steps[-1] if stripe.steps else None
        if step is None or step.kind != event.operation:
            step = Step(kind=event.operation)
            stripe.steps.append(step)
        step.slots = sorted({*step.slots, slot})
        explanation = self.explanation
        for counts, much in (
            (explanation.disk_bytes, event.sectors * 512),
            (explanation.disk_accesses, 1),
        ):
            counts[event.operation] = counts.get(event.operation, 0) + much

    def _directly(self, event: DiskSubmitted, slot: int) -> Stripe:
        """The part of a row that a read past the stripe cache is about."""
        [rdev] = [rdev for rdev in self._mddev.rdevs if rdev.name == event.disk]
        sector = event.sector - rdev.data_offset
        chunk_sectors = self._mddev.geometry.chunk_sectors
        row = sector // chunk_sectors
        stripe = self._direct.get(row)
        if stripe is None:
            stripe = self._direct[row] = self._stripe(row * chunk_sectors, chunk_sectors)
            stripe.purpose = "direct"
        start = (sector - stripe.sector) * 512
        stripe.parts.append((slot, start, event.sectors * 512))
        return stripe


def _cut(parts: list[tuple[int, int, int]], start: int, length: int) -> list[tuple[int, int, int]]:
    """What of ``parts`` lies in ``length`` bytes from ``start`` on, counted from there."""
    cut = []
    for slot, first, size in parts:
        low, high = max(first, start), min(first + size, start + length)
        if low < high:
            cut.append((slot, low - start, high - low))
    return cut


def _carry_out(step: Step, event: Submitted | Software | ChannelSwitch) -> None:
    """Add what carries part of a chain out."""
    last = step.work[-1] if step.work else None
    if isinstance(event, ChannelSwitch):
        how = "an interrupt descriptor" if event.interrupt else "polling"
        why = f"to {event.child} by {how}"
        step.work.append(Work(operation="switch", channel=event.parent, length=0, why=why))
    elif isinstance(event, Software):
        step.work.append(Work(operation=event.operation, channel=None, length=event.length))
    elif event.operation != "interrupt":
        sources = event.source_bytes // event.length
        goes_on = (event.channel, event.operation, event.length)
        if (
            last is not None
            and last.operation in {"xor", "pq"}
            and (last.channel, last.operation, last.length) == goes_on
        ):
            last.sources.append(sources)
        else:
            step.work.append(
                Work(
                    operation=event.operation,
                    channel=event.channel,
                    length=event.length,
                    sources=[sources],
                )
            )
