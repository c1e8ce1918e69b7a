"""What a scenario is played on: the machine, its disks, the array, and its workloads."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from raidsim import Machine
from raidsim.array import Array
from raidsim.array.creation import MISSING
from raidsim.array.directory import ArrayDirectory
from raidsim.array.hardware import SimulatedHardware
from raidsim.array.member import create_image
from raidsim.bench import Contents
from raidsim.cpu import cpu_profile
from raidsim.md.mddev import ArrayStateError
from raidsim.md.raid5.mismatch import MismatchLog
from raidsim.md.sync import start_sync
from raidsim.scenario.facts import Tally
from raidsim.scenario.faults import Faults
from raidsim.scenario.hardware import Accesses, ScenarioHardware, drive
from raidsim.scenario.load import Load
from raidsim.scenario.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from raidsim.scenario.model import Scenario
    from raidsim.sim.hook import Listener

_FILL_BYTES = 1 << 20
# Each machine that is booted in a run has a seed of its own.
_BOOT_SEEDS = 1 << 40


class Stage:
    """The machine that runs now, and what outlives it.

    Args:
        scenario: What is on it.
        directory: Where to make the array; there must not be one.
        seed: Where all chance comes from.
        kernel: The arithmetic kernel; None lets ``raidsim.raid6`` choose.
        sanitize: As for ``Machine``.
        listeners: Told of everything that happens, on every machine that is booted.

    Attributes:
        scenario: As given.
        directory: The array directory.
        machine: The machine that runs now.
        array: The array; None while it is stopped.
        contents: What it should hold.
        record: What has happened so far.
        faults: The faults.
        load: The workloads.
        accesses: What each disk was asked for, by its name.
        tally: What machines and arrays that are gone have done.
        risks: What assemblies by force warned of.
        scrubs: What checks and repairs noted, in the order in which they were begun.
    """

    def __init__(
        self,
        scenario: Scenario,
        directory: Path,
        *,
        seed: int,
        kernel: str | None = None,
        sanitize: bool | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.scenario = scenario
        self.directory = directory
        self.record = Record()
        self.faults = Faults(scenario)
        self.accesses: defaultdict[str, Accesses] = defaultdict(Accesses)
        self.tally = Tally()
        self.array: Array | None = None
        self.risks: list[str] = []
        self.scrubs: list[MismatchLog] = []
        self._seed = seed
        self._kernel = kernel
        self._sanitize = sanitize
        self._listeners = listeners
        self._boots = 0
        self.contents = self._create()
        self.load = Load(scenario, seed, self.contents, self.record.wake)
        self._boot(0, "")

    @property
    def now_ns(self) -> int:
        """The virtual time."""
        return self.machine.sim.now_ns

    # -- machines -------------------------------------------------------------------------------

    def _new_machine(self, *, timed: bool) -> Machine:
        seed = self._seed + self._boots * _BOOT_SEEDS
        self._boots += 1
        cpu = self.scenario.cpu
        return Machine(
            seed,
            timed=timed,
            kernel=self._kernel,
            sanitize=self._sanitize,
            cpu=cpu_profile(cpu) if isinstance(cpu, dict) else cpu,
        )

    def _create(self) -> Contents:
        """Make the array on a machine on which nothing takes time, and fill it."""
        table = self.scenario.array
        paths = {name: self.image(name) for name in table.disks}
        for path in paths.values():
            create_image(path, table.size)
        slots = range(table.raid_devices + table.spare_devices)
        images = [paths.get(f"disk{slot}", MISSING) for slot in slots]
        drives = [drive(self.scenario.disks.model_of(name)) for name in table.disks]
        with Array.create(
            self.directory,
            table.spec(self.directory.name),
            images,
            engines=[engine.profile for engine in self.scenario.engine],
            hardware=SimulatedHardware(self._new_machine(timed=False)),
        ) as array:
            contents = Contents(
                array.size,
                self._seed,
                zeros=True,
                volatile=any(one is not None and one.volatile_cache_bytes for one in drives),
            )
            if table.contents == "random":
                _fill(array, contents)
        return contents

    def reboot(self) -> None:
        """Start a new machine, at the time at which the last one ended."""
        sim = self.machine.sim
        self.tally.retire_machine(self.machine)
        self._boot(sim.now_ns, sim.fault_state)

    def _boot(self, now_ns: int, fault_state: str) -> None:
        self.machine = self._new_machine(timed=True)
        sim = self.machine.sim
        sim.now_ns, sim.fault_state = now_ns, fault_state
        sim.hook.subscribe_to_changes(self.record.listen)
        for listener in self._listeners:
            sim.hook.subscribe(listener)
        self.faults.register_engines(self.machine)
        self._hardware = ScenarioHardware(
            self.machine,
            self.scenario.disks,
            self.faults,
            self.accesses,
            observed=bool(self._listeners),
            with_power_cuts=any(event.cut_power for event in self.scenario.event),
        )

    def open(self) -> None:
        """Run the array as it was left.

        Raises:
            RaidsimError: It cannot be run.
        """
        self.array = Array.open(self.directory, hardware=self._hardware)

    def go_live(self) -> None:
        """Let the array run by itself, and the workloads that wait for nothing."""
        self.running.go_live()
        self.load.array_runs(self.running)

    def portable(self, message: str) -> str:
        """A message without the place of the array directory, which differs from run to run."""
        directory = str(self.directory.absolute())
        return message.replace(f"{directory}/", "").replace(directory, "ARRAY")

    # -- what events do -------------------------------------------------------------------------

    @property
    def running(self) -> Array:
        """The array.

        Raises:
            ArrayStateError: It is stopped.
        """
        if self.array is None:
            raise ArrayStateError("the array does not run")
        return self.array

    def disk(self, name: str) -> str:
        """What ``Array`` calls a disk."""
        return name if name.isdecimal() else f"{name}.img"

    def image(self, name: str) -> Path:
        """The path of a disk's image, the number of a slot being that of the disk in it."""
        if name.isdecimal():
            slot = int(name)
            for rdev, image in self.running.images.items():
                if rdev.raid_disk == slot and not rdev.replacement:
                    return image.path
            raise ArrayStateError(f"slot {slot} has no disk")
        return self.directory.absolute() / f"{name}.img"

    def begin_scrub(self, action: str, log: MismatchLog | None) -> None:
        """Begin a check or repair that notes mismatches in ``log``."""
        array = self.running
        array.check_writable()
        start_sync(array.mddev, action)
        array.mddev.mismatch_log = log
        self.scrubs.append(log or MismatchLog())

    def rot(self, image: Path, offset: int, length: int) -> None:
        """Change bytes of an image, each of them.

        Raises:
            ArrayStateError: It ends before them.
        """
        if offset + length > image.stat().st_size:
            raise ArrayStateError(f"{image.name}: ends before byte {offset + length}")
        random = self.machine.sim.random("rot")
        with image.open("r+b") as file:
            file.seek(offset)
            before = file.read(length)
            file.seek(offset)
            file.write(bytes(byte ^ random.randrange(1, 256) for byte in before))

    def place(self, offset: int, length: int) -> tuple[Path, int]:
        """The image, and the byte of it, that hold byte ``offset`` of the array.

        Raises:
            ArrayStateError: Its member is missing, or the bytes are not all of one chunk.
        """
        array = self.running
        geometry = array.mddev.geometry
        chunk_bytes = geometry.chunk_sectors << 9
        if offset + length > array.size or offset % chunk_bytes + length > chunk_bytes:
            raise ArrayStateError(f"{length} bytes at {offset} are not all of one chunk")
        sector, slot, _ = geometry.compute_sector(offset >> 9)
        for rdev, image in array.images.items():
            if rdev.raid_disk == slot and not rdev.faulty and not rdev.replacement:
                return image.path, (rdev.data_offset + sector << 9) + offset % 512
        raise ArrayStateError(f"slot {slot} has no disk")

    def cut_power(self, keep: float) -> None:
        """Cut the power of everything."""
        supply = self._hardware.supply
        assert supply is not None
        supply.cut(keep)
        self.load.array_gone()
        self.contents.power_cut()
        self.faults.power_lost()
        if self.array is not None:
            self.tally.retire_array(self.array)
            self.array.abandon()
            self.array = None
        self.reboot()

    def stop(self) -> None:
        """End the workloads and stop the array."""
        array = self.running
        self.load.end_all()
        self.machine.sim.run_until(lambda: not self.load.busy, "workloads")
        self.load.array_gone()
        self.tally.retire_array(array)
        self.array = None
        array.close()
        self.reboot()

    def assemble(self, *, force: bool, without: Sequence[str]) -> None:
        """Run the array again.

        Raises:
            RaidsimError: It runs, or cannot be run.
        """
        if self.array is not None:
            raise ArrayStateError("the array runs already")
        if force or without:
            left_out = {self.image(name) for name in without}
            known = ArrayDirectory.load(self.directory)
            images = [path for path in known.images if path not in left_out]
            self.array = Array.assemble(
                self.directory,
                images,
                force=force,
                engines=known.engines,
                hardware=self._hardware,
            )
        else:
            self.open()
        self.risks += self.running.risks
        self.go_live()


def _fill(array: Array, contents: Contents) -> None:
    """Write random bytes to all of ``array``."""
    for offset in range(0, array.size, _FILL_BYTES):
        length = min(_FILL_BYTES, array.size - offset)
        version, data = contents.new_write(offset, length)
        array.write(offset, data)
        contents.wrote(version, offset, length)
    contents.flushed(contents.begin_flush())
