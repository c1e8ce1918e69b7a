import numpy as np
import pytest

from raidsim import Machine
from raidsim.async_tx import AsyncSubmitCtl
from raidsim.dmaengine import dma_wait_for_async_tx
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile
from raidsim.raid6.tables import gfexp, gfmul

EVERY = ("memcpy", "xor", "pq", "xor_val", "pq_val", "memset", "interrupt")


def one_device(**settings):
    settings = {"capabilities": EVERY, "max_xor": 8, "max_pq": 8, "threshold_slots": 0} | settings
    return EngineProfile(name="one", description="", devices=(DeviceProfile(**settings),))


def device_each(*capabilities, interrupt=True, **settings):
    """An engine with a device for each capability, so that every chain changes channels."""
    more = ("interrupt",) if interrupt else ()
    settings = {"max_xor": 8, "max_pq": 8, "threshold_slots": 0} | settings
    devices = tuple(DeviceProfile(capabilities=(name, *more), **settings) for name in capabilities)
    return EngineProfile(name="each", description="", devices=devices)


ENGINES = {
    "software": [],
    "iop13xx": ["iop13xx"],
    "threads": ["threads"],
    "iop32x": ["iop32x"],
    "mv_xor-kirkwood": ["mv_xor-kirkwood"],
    "max8": [one_device()],
    "each": [device_each(*EVERY[:-1])],
    "each-polled": [device_each(*EVERY[:-1], interrupt=False)],
}


class Bench:
    """A machine with a submit control and blocks of seeded random bytes."""

    def __init__(self, engines, timed=False, seed=0):
        # NumPy, as ISA-L tests itself anew for each machine; test_chains.py uses what there is.
        self.machine = Machine(engines=engines, timed=timed, seed=seed, kernel="numpy")
        self.submit = AsyncSubmitCtl(self.machine)
        self.generator = np.random.default_rng(seed)

    def blocks(self, count, size=512):
        return [self.generator.integers(0, 256, size, dtype=np.uint8) for _ in range(count)]

    def finish(self, tx):
        assert dma_wait_for_async_tx(tx) == 0
        self.machine.sim.run()


def syndrome(data):
    """P and Q of the data by the book, from the tables alone."""
    present = [(index, block) for index, block in enumerate(data) if block is not None]
    p = np.zeros_like(present[0][1])
    q = np.zeros_like(p)
    for index, block in present:
        p ^= block
        q ^= gfmul[gfexp[index]][block]
    return p, q


@pytest.fixture(params=list(ENGINES))
def bench(request):
    return Bench(ENGINES[request.param])


@pytest.fixture
def make_bench():
    return Bench


@pytest.fixture
def software():
    return Bench([])


@pytest.fixture
def max8():
    return Bench(ENGINES["max8"])


@pytest.fixture
def book_syndrome():
    return syndrome


@pytest.fixture
def engine():
    """The two makers of engine profiles: one device for everything, or one for each thing."""
    return one_device, device_each


@pytest.fixture(scope="session")
def every_engine():
    return ENGINES
