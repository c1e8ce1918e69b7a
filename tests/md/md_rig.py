"""A small array over disks in memory, which note what is asked of them and fail on request."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from raidsim import Machine
from raidsim.disk import FLUSH, READ, WRITE
from raidsim.md.badblocks import log_entries
from raidsim.md.bio import Bio
from raidsim.md.bitmap_superblock import BitmapSuperblock
from raidsim.md.layout import Geometry, parse_layout
from raidsim.md.mddev import Mddev
from raidsim.md.rdev import Rdev
from raidsim.md.spares import activate_spares
from raidsim.md.superblock import (
    MAX_SECTOR,
    MD_DISK_ROLE_SPARE,
    MD_FEATURE_BAD_BLOCKS,
    SuperblockV1,
)
from raidsim.md.sync import SyncThread
from raidsim.raid6.tables import gfexp, gfmul

EIO = 5
DATA_OFFSET = 8
LOG_SECTORS = 8
BITMAP_SECTORS = 8
UNIT = 4096


class Access(NamedTuple):
    """A request as a disk saw it; ``sector`` is counted from the start of the member's data."""

    disk: int
    operation: str
    sector: int
    sectors: int
    fua: bool = False


class MemoryDisk:
    """A disk in memory.

    Attributes:
        bad: sectors that cannot be read until they are written.
        lost: sectors that cannot be read, ever.
        unwritable: sectors that cannot be written, ever.
        refuses_writes: every write fails.
        held: with a list here, requests wait in it until ``Rig.let_go``.
    """

    def __init__(self, machine, number, sectors, log):
        self.machine = machine
        self.number = number
        self.name = f"disk{number}"
        self.sectors = sectors
        self.image = np.zeros(self.sectors * 512, np.uint8)
        self.log = log
        self.bad = set()
        self.lost = set()
        self.unwritable = set()
        self.refuses_writes = False
        self.held = None
        self._random = machine.sim.random(self.name)

    def submit(self, request):
        self.log.append(self._describe(request))
        if self.held is not None:
            self.held.append(request)
        elif self.machine.sim.timed:
            self.machine.sim.device_after(
                self._random.randrange(1, 100_000), self.carry_out, request
            )
        else:
            self.carry_out(request)

    def carry_out(self, request):
        request.status = 0
        if request.operation != FLUSH:
            start = request.sector * 512
            window = self.image[start : start + len(request.buffer)]
            touched = set(range(request.sector, request.sector + len(request.buffer) // 512))
            if request.operation == READ:
                if touched & (self.bad | self.lost):
                    request.status = EIO
                else:
                    request.buffer[:] = window
            elif self.refuses_writes or touched & self.unwritable:
                request.status = EIO
            else:
                window[:] = request.buffer
                self.bad -= touched
        request.end_io(request)

    def close(self):
        pass

    def _describe(self, request):
        if request.operation == FLUSH:
            return Access(self.number, "flush", 0, 0)
        name = "read" if request.operation == READ else "write"
        if request.sector < DATA_OFFSET:
            name = "super"
        elif request.sector >= self.sectors - LOG_SECTORS:
            name = "log"
        elif request.sector >= self.sectors - LOG_SECTORS - BITMAP_SECTORS:
            name = "bitmap"
        return Access(
            self.number,
            name,
            request.sector - DATA_OFFSET,
            len(request.buffer) // 512,
            request.fua,
        )


class Rig:
    """An array of ``rows`` chunk rows with seeded random data and right parity.

    Args:
        level, disks, chunk_kib, rows, layout: its shape; the layout by mdadm's name.
        missing: slots without a member.
        spares: free members beyond.
        recovering: slot to recovery_offset, of members in sync only in part.
        resync_offset: as in the superblocks.
        parity: make parity right; else all parity blocks are random.
        bblog: give the members a bad block log, behind their data.
        bitmap_chunk: bytes for each bit of a write-intent bitmap behind the data, 0 for none.
        dirty_bits: chunks whose bits are set in it.
    """

    def __init__(
        self,
        level=5,
        disks=4,
        *,
        chunk_kib=64,
        rows=4,
        layout="default",
        missing=(),
        spares=0,
        recovering=(),
        resync_offset=MAX_SECTOR,
        parity=True,
        bblog=False,
        machine=None,
        cache=256,
        readonly=False,
        seed=1,
        bitmap_chunk=0,
        dirty_bits=(),
    ):
        self.machine = machine or Machine(kernel="numpy")
        self.geometry = Geometry(level, parse_layout(level, layout), disks, chunk_kib * 2)
        self.chunk_bytes = chunk_kib * 1024
        self.member_sectors = rows * chunk_kib * 2
        self.log = []
        self.disks = [
            MemoryDisk(
                self.machine,
                number,
                DATA_OFFSET + self.member_sectors + BITMAP_SECTORS + LOG_SECTORS,
                self.log,
            )
            for number in range(disks + spares)
        ]
        self.model = np.random.default_rng(seed).integers(
            0, 256, self.member_sectors * 512 * self.geometry.data_disks, np.uint8
        )
        self._lay_out(parity=parity, seed=seed)
        self.recovering = dict(recovering)
        self.bblog = bblog
        self.mddev = self._start(set(missing), resync_offset, cache, readonly=readonly)
        if bitmap_chunk:
            self._add_bitmap(bitmap_chunk, dirty_bits)

    def _add_bitmap(self, chunksize, dirty_bits):
        head = BitmapSuperblock(uuid=b"a" * 16, sync_size=self.member_sectors, chunksize=chunksize)
        bits = sum(1 << bit for bit in dirty_bits).to_bytes(BITMAP_SECTORS * 512 - 256, "little")
        raw = head.to_bytes() + bits
        for disk in self.disks:
            start = (DATA_OFFSET + self.member_sectors) * 512
            disk.image[start : start + len(raw)] = np.frombuffer(raw, np.uint8)
        self.mddev.load_bitmap(DATA_OFFSET + self.member_sectors, raw)

    def _lay_out(self, *, parity, seed):
        garbage = np.random.default_rng(seed + 1)
        for slot in range(self.geometry.raid_disks):
            data = self.data(slot)
            data[:] = garbage.integers(0, 256, len(data), np.uint8)
        chunk_sectors = self.geometry.chunk_sectors
        for chunk in range(len(self.model) // self.chunk_bytes):
            sector, slot, _ = self.geometry.compute_sector(chunk * chunk_sectors)
            start = chunk * self.chunk_bytes
            self.chunk(slot, sector)[:] = self.model[start : start + self.chunk_bytes]
        if parity:
            for row in range(self.member_sectors // chunk_sectors):
                for slot, right in self.book_parity(row).items():
                    self.chunk(slot, row * chunk_sectors)[:] = right

    def _start(self, missing, resync_offset, cache, *, readonly):
        raid_disks = self.geometry.raid_disks
        present = [n for n in range(len(self.disks)) if n not in missing]
        roles = [n if n in present and n < raid_disks else MD_DISK_ROLE_SPARE for n in range(128)]
        rdevs = []
        for number in present:
            sb = SuperblockV1(
                set_uuid=b"a" * 16,
                ctime=0,
                utime=0,
                level=self.geometry.level,
                layout=self.geometry.layout,
                size=self.member_sectors,
                chunksize=self.geometry.chunk_sectors,
                raid_disks=raid_disks,
                data_offset=DATA_OFFSET,
                data_size=self.member_sectors,
                super_offset=0,
                dev_number=number,
                device_uuid=bytes([number]) * 16,
                resync_offset=resync_offset,
                bblog_size=LOG_SECTORS if self.bblog else 0,
                bblog_offset=self.disks[number].sectors - LOG_SECTORS if self.bblog else 0,
                dev_roles=list(roles),
            )
            raw = sb.to_bytes()
            self.disks[number].image[: len(raw)] = np.frombuffer(raw, np.uint8)
            rdev = Rdev(self.disks[number], sb)
            if number < raid_disks:
                rdev.take_slot(number, self.recovering.get(number, MAX_SECTOR))
            rdevs.append(rdev)
        return Mddev(
            self.machine,
            self.geometry,
            rdevs[0].superblock,
            rdevs[::-1],
            stripe_cache_size=cache,
            readonly=readonly,
            now=lambda: 0,
        )

    # -- what the members hold ------------------------------------------------------------------

    def data(self, slot):
        return self.disks[slot].image[DATA_OFFSET * 512 :][: self.member_sectors * 512]

    def chunk(self, slot, sector):
        start = (DATA_OFFSET + sector) * 512
        return self.disks[slot].image[start : start + self.chunk_bytes]

    def unit(self, slot, sector):
        return self.chunk(slot, sector)[:UNIT]

    def place(self, slot, number):
        """Let slot ``slot`` of the images be what disk ``number`` holds, as after a rebuild."""
        self.disks[slot] = self.disks[number]

    def book_parity(self, row):
        """Slot to right parity of a chunk row, by the tables alone."""
        geometry = self.geometry.row(row)
        sector = row * self.geometry.chunk_sectors
        p = np.zeros(self.chunk_bytes, np.uint8)
        q = np.zeros(self.chunk_bytes, np.uint8)
        for slot in geometry.data_disks:
            data = self.chunk(slot, sector)
            p ^= data
            if geometry.qd_idx >= 0:
                q ^= gfmul[gfexp[geometry.slot_of[slot]]][data]
        parity = {geometry.pd_idx: p}
        if geometry.qd_idx >= 0:
            parity[geometry.qd_idx] = q
        return parity

    def wrong_parity(self):
        """(slot, sector) of every parity unit that is wrong."""
        wrong = []
        for row in range(self.member_sectors // self.geometry.chunk_sectors):
            sector = row * self.geometry.chunk_sectors
            for slot, right in self.book_parity(row).items():
                found = self.chunk(slot, sector)
                wrong += [
                    (slot, sector + unit * 8)
                    for unit in range(self.chunk_bytes // UNIT)
                    if not np.array_equal(
                        found[unit * UNIT : (unit + 1) * UNIT],
                        right[unit * UNIT : (unit + 1) * UNIT],
                    )
                ]
        return wrong

    def bitmap(self, number):
        """The bitmap's superblock and the bits that are set in it, on a disk."""
        start = (DATA_OFFSET + self.member_sectors) * 512
        raw = self.disks[number].image[start : start + BITMAP_SECTORS * 512]
        head = BitmapSuperblock.from_bytes(raw.tobytes())
        bits = np.unpackbits(raw[256:], count=head.chunks, bitorder="little")
        return head, np.flatnonzero(bits).tolist()

    def images(self):
        return [disk.image.copy() for disk in self.disks]

    def stored(self, number):
        """The superblock on a disk."""
        return SuperblockV1.from_bytes(self.disks[number].image[:4096].tobytes())

    def stored_bad_blocks(self, number):
        """(first sector of the member's data, length) of what a disk's log lists."""
        if not self.stored(number).feature_map & MD_FEATURE_BAD_BLOCKS:
            return []
        log = self.disks[number].image[-LOG_SECTORS * 512 :].tobytes()
        return [(sector - DATA_OFFSET, sectors) for sector, sectors in log_entries(log)]

    # -- doing things ---------------------------------------------------------------------------

    def run(self):
        self.machine.sim.run()

    def begin_write(self, sector, data, *, fua=False, sync=True):
        bio = Bio(WRITE, sector, np.frombuffer(bytearray(data), np.uint8), fua=fua, sync=sync)
        self.mddev.submit_bio(bio)
        return bio

    def begin_read(self, sector, sectors):
        bio = Bio(READ, sector, np.full(sectors * 512, 0xEE, np.uint8))
        self.mddev.submit_bio(bio)
        return bio

    def write(self, sector, sectors, *, seed=7, fua=False):
        """Write random sectors to the array and the model; return the bio."""
        data = np.random.default_rng(seed).integers(0, 256, sectors * 512, np.uint8)
        bio = self.begin_write(sector, data.tobytes(), fua=fua)
        self.run()
        assert bio.done
        if not bio.status:
            self.model[sector * 512 : (sector + sectors) * 512] = data
        return bio

    def read(self, sector, sectors):
        bio = self.begin_read(sector, sectors)
        self.run()
        assert bio.done
        return bio

    def reads_right(self, sector=0, sectors=None):
        sectors = self.mddev.array_sectors - sector if sectors is None else sectors
        bio = self.read(sector, sectors)
        expected = self.model[sector * 512 : (sector + sectors) * 512]
        return not bio.status and np.array_equal(bio.buffer, expected)

    def sync(self, action):
        thread = SyncThread(self.mddev, action)
        thread.start()
        self.run()
        assert thread.finished
        return thread

    def rebuild(self):
        activate_spares(self.mddev)  # unless they have their slots since a member failed
        self.run()
        assert any(rdev.recovering for rdev in self.mddev.rdevs)
        return self.sync("recover")

    def idle(self):
        self.mddev.idle()
        self.run()

    def rdev(self, slot):
        return next(rdev for rdev in self.mddev.rdevs if rdev.raid_disk == slot)

    def fail(self, slot):
        self.mddev.error(self.rdev(slot))
        self.run()

    def settle(self):
        """Past the first write's superblocks, so that what follows is the stripes' doing."""
        self.mddev.in_sync = False
        self.mddev.safe_mode.delay_ms = 0
        self.log.clear()

    def let_go(self):
        """Carry out what waited on the disks, and let later requests through."""
        for disk in self.disks:
            waiting, disk.held = disk.held or [], None
            for request in waiting:
                disk.carry_out(request)
        self.run()

    # -- what was asked of the disks ------------------------------------------------------------

    def accesses(self, operation):
        return [
            (disk, sector, sectors)
            for disk, name, sector, sectors, _ in self.log
            if name == operation
        ]

    def units(self, operation):
        """How many units were read or written."""
        return sum(sectors for _, _, sectors in self.accesses(operation)) // 8

    def touched(self, operation):
        """Disk to the units read or written on it."""
        units = Counter()
        for disk, _, sectors in self.accesses(operation):
            units[disk] += sectors // 8
        return dict(units)
