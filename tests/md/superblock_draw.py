"""Superblocks as they may be found, drawn from a seed, and images that hold them."""

import os

from raidsim.md.superblock import MAX_SECTOR, SuperblockV1, super_sector


def draw_superblock(rng):
    """Return a superblock that mdadm will show, mostly sound, and its device's size."""
    minor_version = rng.randrange(3)
    device_sectors = rng.randrange(2**13, 2 ** rng.randrange(14, 33))
    level = rng.choice((4, 5, 6))
    raid_disks = rng.randrange(4, 12)
    layout = rng.choice((0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 16, 17, 18, 19, 20)) if level != 4 else 0
    chunksize = 8 << rng.randrange(8)
    data_offset = 0 if minor_version == 0 else rng.choice((2048, 1024, 264, 80, 88))
    data_size = device_sectors - data_offset - (40 if minor_version == 0 else 0)
    size = rng.choice((data_size, data_size // 2)) // chunksize * chunksize
    dev_roles = [0xFFFF] * rng.choice((128, 128, 384, rng.randrange(raid_disks + 3, 300)))
    for slot in range(raid_disks):
        odd = rng.choice((0xFFFE, 0xFFFF, 0xFFFD, rng.randrange(raid_disks)))
        dev_roles[slot] = rng.choice((slot, slot, slot, slot, odd))
    for spare in range(raid_disks, raid_disks + 3):
        dev_roles[spare] = rng.choice((0xFFFF, 0xFFFF, 0xFFFE, raid_disks - 1, raid_disks + 1))
    sb = SuperblockV1(
        feature_map=sum(1 << bit for bit in range(13) if rng.random() < 0.1),
        set_uuid=rng.randbytes(16),
        set_name=rng.choice((os.uname().nodename.encode() + b":0", b"other:home", b"x" * 32, b"")),
        ctime=rng.randrange(2**33) | rng.randrange(3) << 40,
        level=level,
        layout=layout,
        size=size,
        chunksize=chunksize,
        raid_disks=raid_disks,
        bitmap_offset=rng.choice((8, 8, -16, 8 | 2048 << 16, (-2056 & 0xFFFF) | 2048 << 16)),
        new_level=rng.choice((4, 5, 6)),
        reshape_position=rng.randrange(2**30),
        delta_disks=rng.choice((0, 1, -1, 2, -2)),
        new_layout=rng.choice((layout, 2, 16)),
        new_chunk=rng.choice((chunksize, 128)),
        new_offset=rng.choice((0, -512, 10240)),
        data_offset=data_offset,
        data_size=data_size,
        super_offset=super_sector(minor_version, device_sectors),
        recovery_offset=rng.choice((0, rng.randrange(2**30), MAX_SECTOR)),
        dev_number=rng.randrange(raid_disks + 3),
        device_uuid=rng.randbytes(16),
        devflags=rng.choice((0, 0, 0, 1, 2, 3, 4)),
        bblog_size=rng.choice((8, 8, 8, 0)),
        bblog_offset=rng.choice((16, 8, -8, 136, 0)),
        utime=rng.randrange(2**33),
        events=rng.choice((0, 18, 2**40)),
        resync_offset=rng.choice((MAX_SECTOR, 0, 12345)),
        dev_roles=dev_roles,
    )
    return sb, device_sectors


def write_image(path, sb, device_sectors, rng):
    with path.open("wb") as image:
        image.truncate(device_sectors * 512)
        bitmap_sector = sb.super_offset + sb.bitmap_offset
        if 8 <= bitmap_sector < device_sectors:
            uuid = rng.choice((sb.set_uuid, sb.set_uuid, bytes(16)))
            bitmap = bytearray(b"bitm\4\0\0\0" + uuid + bytes(488))
            bitmap[40:48] = sb.size.to_bytes(8, "little")
            bitmap[52:56] = rng.choice((2**26, 2**16, 2**12)).to_bytes(4, "little")
            image.seek(bitmap_sector * 512)
            image.write(bitmap)
        raw = bytearray(sb.to_bytes())
        if rng.random() < 0.1:
            raw[216:220] = rng.randbytes(4)
        image.seek(sb.super_offset * 512)
        image.write(raw)
        if sb.minor_version != 0 and rng.random() < 0.1:
            data_end = sb.data_offset + sb.size
            image.truncate((data_end - rng.choice((0, 1, 1000))) * 512)
