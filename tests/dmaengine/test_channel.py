import pytest

from raidsim import Machine
from raidsim.dmaengine import (
    DMA_COMPLETE,
    DMA_IN_PROGRESS,
    DMA_PREP_CONTINUE,
    DMA_PREP_PQ_DISABLE_P,
    DMA_PREP_PQ_DISABLE_Q,
    DmaAsyncTxDescriptor,
    DmaChan,
    DmaDevice,
)

LAST = (1 << 31) - 1


@pytest.fixture
def device():
    return DmaDevice(Machine(), set())


def test_the_first_cookie_is_two(device):
    chan = DmaChan(device)
    tx = DmaAsyncTxDescriptor(chan)
    assert tx.cookie < 0
    assert chan.cookie_assign(tx) == tx.cookie == chan.cookie == 2


def test_cookies_wrap_to_one(device):
    chan = DmaChan(device)
    chan.cookie = LAST
    assert chan.cookie_assign(DmaAsyncTxDescriptor(chan)) == 1


@pytest.mark.parametrize(
    ("completed", "used", "cookie", "status"),
    [
        (5, 9, 5, DMA_COMPLETE),
        (5, 9, 6, DMA_IN_PROGRESS),
        (5, 9, 9, DMA_IN_PROGRESS),
        (5, 9, 10, DMA_COMPLETE),
        (LAST - 1, 2, LAST - 1, DMA_COMPLETE),
        (LAST - 1, 2, LAST, DMA_IN_PROGRESS),
        (LAST - 1, 2, 1, DMA_IN_PROGRESS),
        (LAST - 1, 2, 3, DMA_COMPLETE),
    ],
)
def test_cookie_status_also_across_the_wrap(device, completed, used, cookie, status):
    chan = DmaChan(device)
    chan.completed_cookie, chan.cookie = completed, used
    assert chan.cookie_status(cookie) == status


@pytest.mark.parametrize(
    ("native", "flags", "expected"),
    [
        (False, 0, 8),
        (False, DMA_PREP_CONTINUE, 5),
        (False, DMA_PREP_CONTINUE | DMA_PREP_PQ_DISABLE_P, 7),
        (False, DMA_PREP_CONTINUE | DMA_PREP_PQ_DISABLE_Q, 5),
        (True, DMA_PREP_CONTINUE, 8),
    ],
)
def test_continuing_a_pq_costs_sources_unless_it_is_native(device, native, flags, expected):
    device.max_pq, device.native_pq_continue = 8, native
    assert device.dma_maxpq(flags) == expected
