"""``raidsim engines``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from raidsim import Machine
from raidsim.cli.output import print_json, print_lines
from raidsim.cli.parameters import json_option
from raidsim.dmaengine.drivers import load_profile, profile_names
from raidsim.dmaengine.sysfs import channel_attributes, channel_holders, channel_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raidsim.dmaengine.drivers import DeviceProfile, EngineProfile


@click.command("engines")
@click.argument("name", metavar="[PROFILE]", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the profiles of offload engines, or show one in full.

    A PROFILE is a name from the list or a .toml file of one's own; +pq behind it asks for pq where
    the profile withholds it. Shown with it is what a machine has that has the engine: its channels,
    who holds them, and which of them async_tx sends its operations to.
    """
    if name is None:
        profiles = [load_profile(known) for known in profile_names()]
        if as_json:
            print_json([{"name": p.name, "description": p.description} for p in profiles])
        else:
            print_lines(f"{p.name:16} {p.description}" for p in profiles)
        return
    profile = load_profile(name)
    machine = Machine(engines=[profile])
    if as_json:
        print_json(
            asdict(profile)
            | {
                "channels": channel_attributes(machine),
                "summary": channel_holders(machine),
                "channel_table": channel_table(machine),
            }
        )
    else:
        print_lines([*_profile_lines(profile), *_machine_lines(machine)])


def _profile_lines(profile: EngineProfile) -> Iterator[str]:
    yield f"{profile.name}: {profile.description}"
    for number, device in enumerate(profile.devices):
        yield ""
        yield f"dma{number}: {device.channels} channel{'s' * (device.channels != 1)}"
        for word, text in _device_facts(device).items():
            yield f"{word:>16} : {text}"


def _device_facts(device: DeviceProfile) -> dict[str, str]:
    offered = [word for word in device.capabilities if word not in device.withheld]
    continuation = "native" if device.native_pq_continue else "emulated"
    aligns = [
        f"{word} {size} bytes"
        for word in ("copy", "xor", "pq", "fill")
        if (size := getattr(device, f"{word}_align")) > 1
    ]
    growth = f", doubling up to {device.ring_slots_max}" if device.ring_slots_max else ""
    threshold, parallel = device.threshold_slots, device.parallel_descriptors
    rates = {"": device.bytes_per_second} | device.operation_bytes_per_second
    quirks = {word: value for word, value in asdict(device.quirks).items() if value}
    facts = {
        "Capabilities": " ".join(offered),
        "Withheld": " ".join(sorted(device.withheld)),
        "Max xor": f"{device.max_xor} sources" if device.max_xor else "",
        "Max pq": f"{device.max_pq} sources, continuation {continuation}" if device.max_pq else "",
        "Alignment": ", ".join(aligns) or "any",
        "Length": f"{device.min_length} to {device.max_length} bytes",
        "Ring": f"{device.ring_slots} slots{growth}",
        "Issued": f"at {threshold} slots" if threshold else "when asked to",
        "Completion": _completion(device),
        "Order": f"{parallel} at once, ordered by fences" if parallel > 1 else "in order",
        "Latency": f"{device.descriptor_latency_ns} ns a descriptor",
        "Rate": ", ".join(f"{word} {rate // 10**6} MB/s".strip() for word, rate in rates.items()),
        "Quirks": ", ".join(
            word if value is True else f"{word} {value}" for word, value in quirks.items()
        )
        or "none",
    }
    return {word: text for word, text in facts.items() if text}


def _completion(device: DeviceProfile) -> str:
    if device.completion == "interrupt":
        return "interrupt"
    timer = f"{device.completion_timer_ns} ns"
    if device.completion == "polled":
        return f"polled, every {timer}"
    if device.coalesced_descriptors == 1:
        return "interrupt for each descriptor"
    return f"interrupt after {device.coalesced_descriptors} descriptors or {timer}"


def _machine_lines(machine: Machine) -> Iterator[str]:
    channels = channel_attributes(machine)
    if not channels:
        return
    holders = channel_holders(machine)
    yield ""
    yield f"{'Channel':12} {'in_use':>6} {'memcpy_count':>12} {'bytes_transferred':>17}  Held by"
    for name, files in channels.items():
        yield (
            f"{name:12} {files['in_use']:6} {files['memcpy_count']:12}"
            f" {files['bytes_transferred']:17}  {holders.get(name, '-')}"
        )
    table = channel_table(machine)
    if table:
        yield ""
        yield "async_tx uses " + ", ".join(f"{name} for {what}" for what, name in table.items())
