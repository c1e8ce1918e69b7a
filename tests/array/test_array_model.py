"""A whole array against a flat byte array, through anything a user may do to it."""

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from raidsim.array import Array, ArraySpec
from raidsim.errors import RaidsimError
from raidsim.md.layout import _NAMES, parse_layout
from raidsim.md.superblock import MAX_SECTOR

SCRATCH = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  a RAM disk

LAYOUTS = {level: sorted(names) for level, names in _NAMES.items()}


@st.composite
def shapes(draw):
    level = draw(st.sampled_from([4, 5, 6]))
    return ArraySpec(
        level=level,
        raid_disks=draw(st.integers(4 if level == 6 else 2, 8)),
        layout=parse_layout(level, draw(st.sampled_from(LAYOUTS[level]))),
        chunk_sectors=8 << draw(st.integers(0, 4)),
        minor_version=draw(st.sampled_from([0, 1, 2])),
    )


class ArrayModel(RuleBasedStateMachine):
    """Everything is done to the array and to ``self.model``, and then they are compared."""

    kernel = "numpy"
    engines = ()

    def __init__(self):
        super().__init__()
        self.scratch = Path(tempfile.mkdtemp(dir=SCRATCH, prefix="raidsim-model-"))
        self.path = self.scratch / "array"
        self.added = 0
        self.array = None
        self.former_kernel = os.environ.get("RAIDSIM_KERNEL")
        os.environ["RAIDSIM_KERNEL"] = self.kernel

    @initialize(spec=shapes(), seed=st.integers(0, 2**16), extra_kib=st.integers(256, 768))
    def create(self, spec, seed, extra_kib):
        self.random = random.Random(seed)
        image_bytes = (1024 + extra_kib) << 10
        self.array = Array.create(self.path, spec, image_bytes=image_bytes, engines=self.engines)
        self.max_degraded = 2 if spec.level == 6 else 1
        self.raid_disks = spec.raid_disks
        self.model = bytearray(self.array.size)

    def teardown(self):
        try:
            if self.array is not None:
                assert self.array.read(0, self.array.size) == self.model
                self.array.close()
        finally:
            shutil.rmtree(self.scratch)
            if self.former_kernel is None:
                del os.environ["RAIDSIM_KERNEL"]
            else:
                os.environ["RAIDSIM_KERNEL"] = self.former_kernel

    # -- what the rules ask about ---------------------------------------------------------------

    @property
    def mddev(self):
        return self.array.mddev

    def extent(self, where, length):
        offset = int(where * len(self.model))
        return offset, min(length, len(self.model) - offset)

    # -- bytes ----------------------------------------------------------------------------------

    @rule(where=st.floats(0, 1), length=st.one_of(st.integers(0, 9000), st.integers(0, 1 << 20)))
    def write(self, where, length):
        offset, length = self.extent(where, length)
        data = self.random.randbytes(length)
        self.array.write(offset, data)
        self.model[offset : offset + length] = data

    @rule(where=st.floats(0, 1), length=st.one_of(st.integers(0, 9000), st.integers(0, 1 << 20)))
    def read(self, where, length):
        offset, length = self.extent(where, length)
        assert self.array.read(offset, length) == self.model[offset : offset + length]

    @rule()
    def flush(self):
        self.array.flush()

    # -- members --------------------------------------------------------------------------------

    @precondition(lambda self: self.mddev.degraded < self.max_degraded)
    @rule(slot=st.integers(0, 7))
    def fail(self, slot):
        self.fail_one(slot)

    @precondition(lambda self: self.mddev.degraded == self.max_degraded)
    @rule(slot=st.integers(0, 7))
    def fail_one_being_rebuilt(self, slot):
        recovering = [r for r in self.mddev.rdevs if r.raid_disk >= 0 and not r.in_sync]
        if recovering:
            self.array.fail(recovering[slot % len(recovering)].name)

    @property
    def being_rebuilt(self):
        """A recovery is pending: it comes before any check."""
        return any(rdev.recovering for rdev in self.mddev.rdevs)

    def fail_one(self, slot):
        slot %= self.raid_disks
        if any(rdev.raid_disk == slot for rdev in self.mddev.rdevs):
            self.array.fail(str(slot))
            assert self.mddev.degraded <= self.max_degraded

    @rule()
    def remove_failed(self):
        for rdev in [rdev for rdev in self.mddev.rdevs if rdev.faulty]:
            self.array.remove(rdev.name)

    @precondition(lambda self: self.added < 20)
    @rule()
    def add(self):
        self.array.add(self.scratch / f"new{self.added}.img")
        self.added += 1

    @precondition(lambda self: any(rdev.in_sync for rdev in self.mddev.rdevs))
    @rule(slot=st.integers(0, 7))
    def replace(self, slot):
        active = [rdev for rdev in self.mddev.rdevs if rdev.in_sync]
        self.array.replace([active[slot % len(active)].name])

    @rule()
    def rebuild(self):
        free = sum(rdev.raid_disk < 0 and not rdev.faulty for rdev in self.mddev.rdevs)
        recovering = sum(r.recovering and not r.replacement for r in self.mddev.rdevs)
        still_missing = max(0, self.mddev.degraded - free - recovering)
        reports = self.array.rebuild()
        assert not any(report.interrupted for report in reports)
        assert self.mddev.degraded == still_missing
        if self.mddev.degraded < self.max_degraded:
            assert self.mddev.recovery_cp == MAX_SECTOR

    @precondition(lambda self: not self.being_rebuilt)
    @rule()
    def check(self):
        assert self.array.check().mismatch_sectors == 0

    @precondition(lambda self: not self.being_rebuilt)
    @rule()
    def repair(self):
        assert self.array.repair().mismatch_sectors == 0

    # -- stopping and starting ------------------------------------------------------------------

    @rule()
    def stop_and_open(self):
        self.array.close()
        self.start()

    @rule()
    def crash_and_open(self):
        self.array.abandon()
        self.start()

    def start(self):
        before = self.mddev
        unclean = before.recovery_cp != MAX_SECTOR or not before.in_sync
        excusable = any(r.raid_disk >= 0 and not r.in_sync for r in before.rdevs)
        degraded = before.degraded
        self.array = None
        try:
            self.array = Array.open(self.path)
        except RaidsimError as error:
            assert "dirty degraded" in str(error)  # noqa: PT017  both outcomes are looked at
            assert unclean
            assert degraded
            images = [rdev.disk.path for rdev in before.rdevs]
            self.array = Array.assemble(self.path, images, force=True, engines=self.engines)
        else:
            assert excusable or not (unclean and degraded)
            if unclean:
                assert self.mddev.recovery_cp < MAX_SECTOR
        assert self.array.read(0, self.array.size) == self.model

    @invariant()
    def is_not_broken(self):
        if self.array is not None:
            assert not self.mddev.broken


def model(kernel, *engines):
    return type("ConfiguredModel", (ArrayModel,), {"kernel": kernel, "engines": engines})


def run(kernel, engine, examples, steps):
    from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415

    run_state_machine_as_test(
        model(kernel, *([engine] if engine else [])),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize(("kernel", "engine"), [("numpy", ""), ("isal", "iop13xx")])
def test_an_array_is_a_flat_byte_array(kernel, engine):
    run(kernel, engine, 12, 20)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["numpy", "isal"])
@pytest.mark.parametrize("engine", ["", "iop13xx", "iop32x", "mv_xor-kirkwood", "threads"])
def test_an_array_is_a_flat_byte_array_through_many_examples(kernel, engine):
    run(kernel, engine, 40, 40)
