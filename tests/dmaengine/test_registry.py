import pytest

from raidsim import Machine
from raidsim.dmaengine import (
    DMA_ACK,
    DMA_ASYNC_TX,
    DMA_INTERRUPT,
    DMA_MEMCPY,
    DMA_PQ,
    DMA_PRIVATE,
    DMA_SLAVE,
    DMA_XOR,
    DmaChan,
    DmaDevice,
    dma_async_device_register,
    dma_async_device_unregister,
    dma_find_channel,
    dma_issue_pending_all,
    dma_release_channel,
    dma_request_channel,
    dmaengine_get,
    dmaengine_put,
)
from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile, RingDevice, register_engine
from raidsim.dmaengine.errors import DmaBusyError, DmaengineError, DmaRegistrationError


def engine(*devices):
    return EngineProfile(name="test", description="", devices=devices)


def copier(channels=1, *more):
    return DeviceProfile(capabilities=("memcpy", *more), channels=channels)


@pytest.fixture
def unused():
    """A machine whose channels nobody holds, as before async_tx is loaded."""
    machine = Machine()
    dmaengine_put(machine)
    return machine


def test_channels_are_named_by_device_and_channel_number():
    machine = Machine(engines=[engine(copier(2), copier(1))])
    names = [chan.name for device in machine.dmaengine.devices for chan in device.channels]
    assert names == ["dma0chan0", "dma0chan1", "dma1chan0"]


def test_a_device_gets_the_lowest_free_number(unused):
    first, _second = register_engine(unused, engine(copier(), copier()))
    dma_async_device_unregister(first)
    (third,) = register_engine(unused, engine(copier()))
    assert third.dev_id == 0


def test_a_capability_without_its_hook_is_refused():
    device = DmaDevice(Machine(), {DMA_XOR})
    device.max_xor = 8

    class Channel(DmaChan):
        def alloc_chan_resources(self):
            return 1

        def free_chan_resources(self):
            pass

        def issue_pending(self):
            pass

    device.channels = [Channel(device)]
    with pytest.raises(DmaRegistrationError, match="capability xor but not its hook prep_dma_xor"):
        dma_async_device_register(device)
    device.cap_mask.clear()
    dma_async_device_register(device)


def test_a_driver_without_the_hooks_every_one_needs_is_refused():
    device = DmaDevice(Machine(), set())
    device.channels = [DmaChan(device)]
    with pytest.raises(DmaRegistrationError, match="must override alloc_chan_resources"):
        dma_async_device_register(device)


def test_a_device_without_channels_is_refused():
    with pytest.raises(DmaRegistrationError, match="no channels"):
        dma_async_device_register(DmaDevice(Machine(), set()))


@pytest.mark.parametrize(
    ("profile", "limit"),
    [
        (DeviceProfile(capabilities=("xor",), max_xor=1), "max_xor 1"),
        (DeviceProfile(capabilities=("pq",), max_pq=3), "max_pq 3"),
        (DeviceProfile(capabilities=("pq",), max_pq=0, native_pq_continue=True), "max_pq 0"),
    ],
)
def test_source_limits_that_would_split_for_ever_are_refused(profile, limit):
    with pytest.raises(DmaRegistrationError, match=limit):
        Machine(engines=[engine(profile)])


def test_a_device_with_every_operation_is_marked_async_tx():
    every = ("memcpy", "xor", "pq", "xor_val", "pq_val", "memset", "interrupt")
    whole = DeviceProfile(capabilities=every, max_xor=8, max_pq=8)
    part = DeviceProfile(capabilities=every[:-1], max_xor=8, max_pq=8)
    machine = Machine(engines=[engine(part, whole)])
    marked = [DMA_ASYNC_TX in device.cap_mask for device in machine.dmaengine.devices]
    assert marked == [False, True]
    assert dma_find_channel(machine, DMA_ASYNC_TX).device is machine.dmaengine.devices[1]


def test_no_engine_means_no_channel():
    machine = Machine()
    assert dma_find_channel(machine, DMA_XOR) is None


def test_async_tx_holds_every_public_channel_of_a_new_machine():
    machine = Machine(engines=["iop13xx"])
    assert machine.dmaengine.ref_count == 1
    counts = [chan.client_count for device in machine.dmaengine.devices for chan in device.channels]
    assert counts == [1, 1, 1]


def test_every_client_counts_and_the_last_one_frees():
    machine = Machine(engines=[engine(copier())])
    (device,) = machine.dmaengine.devices
    (chan,) = device.channels
    dmaengine_get(machine)
    assert chan.client_count == 2
    dmaengine_put(machine)
    assert dma_find_channel(machine, DMA_MEMCPY) is chan
    dmaengine_put(machine)
    assert chan.client_count == 0
    assert chan.free_slots == 0
    assert dma_find_channel(machine, DMA_MEMCPY) is None
    with pytest.raises(DmaengineError):
        dmaengine_put(machine)


def test_a_device_that_comes_late_is_held_for_all_clients():
    machine = Machine()
    dmaengine_get(machine)
    (device,) = register_engine(machine, engine(copier()))
    assert device.channels[0].client_count == 2


def test_the_table_spreads_capabilities_over_the_least_used_channels():
    machine = Machine(engines=["iop13xx"])
    chosen = [dma_find_channel(machine, cap).name for cap in (DMA_MEMCPY, DMA_XOR, DMA_PQ)]
    assert chosen == ["dma0chan0", "dma1chan0", "dma2chan0"]


def test_unregistering_a_device_in_use_is_refused():
    machine = Machine(engines=[engine(copier())])
    (device,) = machine.dmaengine.devices
    with pytest.raises(DmaBusyError, match=r"dma0chan0 is in use by 1 client"):
        dma_async_device_unregister(device)
    assert machine.dmaengine.devices == [device]
    dmaengine_put(machine)
    dma_async_device_unregister(device)
    assert machine.dmaengine.devices == []


def test_without_a_filter_the_first_channel_that_satisfies_the_mask_is_returned(unused):
    register_engine(unused, engine(copier(), copier(2, "slave"), copier(1, "slave")))
    chan = dma_request_channel(unused, {DMA_MEMCPY, DMA_SLAVE})
    assert chan.name == "dma1chan0"


def test_no_channel_satisfies_the_mask(unused):
    register_engine(unused, "iop32x")
    assert dma_request_channel(unused, {DMA_PQ}) is None


def test_the_filter_is_called_once_for_each_free_channel(unused):
    register_engine(unused, engine(copier(2, "private"), copier(2)))
    taken = dma_request_channel(unused, {DMA_MEMCPY})
    seen = []

    def refuse(chan, param):
        seen.append((chan.name, param))
        return not DMA_ACK

    assert dma_request_channel(unused, {DMA_MEMCPY}, refuse, "param") is None
    assert taken.name == "dma0chan0"
    assert seen == [(name, "param") for name in ("dma0chan1", "dma1chan0", "dma1chan1")]


def test_the_channel_the_filter_acks_is_returned(unused):
    register_engine(unused, engine(copier(3)))
    chan = dma_request_channel(
        unused,
        {DMA_MEMCPY},
        lambda chan, name: DMA_ACK if chan.name == name else False,
        "dma0chan1",
    )
    assert chan.name == "dma0chan1"


def test_a_requested_channel_is_exclusive_until_it_is_released(unused):
    register_engine(unused, engine(copier()))
    chan = dma_request_channel(unused, {DMA_MEMCPY})
    assert dma_request_channel(unused, {DMA_MEMCPY}) is None
    dma_release_channel(chan)
    assert dma_request_channel(unused, {DMA_MEMCPY}) is chan


def test_requesting_an_unused_public_channel_makes_its_device_private(unused):
    (device,) = register_engine(unused, engine(copier(2)))
    dma_request_channel(unused, {DMA_MEMCPY})
    assert DMA_PRIVATE in device.cap_mask


def test_once_private_a_channel_is_never_public_again_even_after_release(unused):
    (device,) = register_engine(unused, engine(copier()))
    dma_release_channel(dma_request_channel(unused, {DMA_MEMCPY}))
    dmaengine_get(unused)
    assert device.channels[0].client_count == 0
    assert dma_find_channel(unused, DMA_MEMCPY) is None


def test_a_device_private_at_registration_is_left_to_requests():
    machine = Machine(engines=[engine(copier(1, "private"))])
    assert dma_find_channel(machine, DMA_MEMCPY) is None
    assert dma_request_channel(machine, {DMA_MEMCPY}).client_count == 1


def test_a_public_device_in_use_gives_no_channel_away():
    machine = Machine(engines=[engine(copier(2))])
    assert dma_request_channel(machine, {DMA_MEMCPY}) is None


def test_releasing_a_channel_that_was_not_requested_is_refused():
    machine = Machine(engines=[engine(copier())])
    with pytest.raises(DmaengineError, match="not allocated by dma_request_channel"):
        dma_release_channel(machine.dmaengine.devices[0].channels[0])


def test_issue_pending_all_leaves_private_channels_alone():
    profile = DeviceProfile(capabilities=("interrupt", "private"), threshold_slots=0)
    public = DeviceProfile(capabilities=("interrupt",), threshold_slots=0)
    machine = Machine(engines=[engine(profile, public)])
    private = dma_request_channel(machine, {DMA_INTERRUPT})
    shared = machine.dmaengine.devices[1].channels[0]
    for chan in (private, shared):
        chan.prep_dma_interrupt(0).tx_submit()
    dma_issue_pending_all(machine)
    assert len(private.submitted) == 1
    assert len(shared.submitted) == 0


def test_two_machines_never_meet():
    first, second = Machine(engines=["iop13xx"]), Machine()
    assert isinstance(first.dmaengine.devices[0], RingDevice)
    assert second.dmaengine.devices == []
