"""What `mdadm --examine-bitmap` shows of a member's write-intent bitmap (mdadm's bitmap.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raidsim.md.bitmap_superblock import BITMAP_STALE, BITMAP_SUPER_BYTES, BitmapSuperblock
from raidsim.md.superblock import format_uuid
from raidsim.md.wording import human_size

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATES = {0: "OK", BITMAP_STALE: "Out of date"}
_DEFAULT_MODE = "Normal"


def examine_bitmap_lines(raw: bytes, device_name: str) -> Iterator[str]:
    """Yield the lines that `mdadm --examine-bitmap` prints.

    Args:
        raw: The bitmap, superblock and bits.
        device_name: Stands in the first line.
    """
    head = BitmapSuperblock.from_bytes(raw)
    behind = f"Allow write behind, max {head.write_behind}"
    dirty = dirty_chunks(raw)
    yield f"        Filename : {device_name}"
    yield f"           Magic : {head.magic:08x}"
    yield f"         Version : {head.version}"
    yield f"            UUID : {format_uuid(head.uuid)}"
    yield f"          Events : {head.events}"
    yield f"  Events Cleared : {head.events_cleared}"
    yield f"           State : {_STATES.get(head.state, 'Unknown')}"
    yield f"       Chunksize : {_human_chunk(head.chunksize)}"
    yield f"          Daemon : {head.daemon_sleep}s flush period"
    yield f"      Write Mode : {behind if head.write_behind else _DEFAULT_MODE}"
    yield f"       Sync Size : {head.sync_size // 2}{human_size(head.sync_size * 512)}"
    percent = 100 * dirty / max(1, head.chunks)
    yield f"          Bitmap : {head.chunks} bits (chunks), {dirty} dirty ({percent:.1f}%)"


def examine_bitmap_json(raw: bytes, device_name: str) -> dict[str, object]:
    """Return the same facts under stable keys."""
    head = BitmapSuperblock.from_bytes(raw)
    return {
        "device": device_name,
        "version": head.version,
        "array_uuid": format_uuid(head.uuid),
        "events": head.events,
        "events_cleared": head.events_cleared,
        "out_of_date": bool(head.state & BITMAP_STALE),
        "chunk_size_bytes": head.chunksize,
        "daemon_sleep_seconds": head.daemon_sleep,
        "sync_size": head.sync_size,
        "chunks": head.chunks,
        "dirty_chunks": dirty_chunks(raw),
    }


def dirty_chunks(raw: bytes) -> int:
    """Return how many bits are set, those behind the last chunk's left out."""
    chunks = BitmapSuperblock.from_bytes(raw).chunks
    bits = int.from_bytes(raw[BITMAP_SUPER_BYTES:], "little")
    return (bits & ((1 << chunks) - 1)).bit_count()


def _human_chunk(size_bytes: int) -> str:
    for suffix in ("B", "KB", "MB", "GB"):
        if size_bytes < 1024:
            return f"{size_bytes} {suffix}"
        size_bytes >>= 10
    return f"{size_bytes} TB"
