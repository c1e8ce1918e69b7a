"""Sync control and attributes: the same steps on real md and here, looked at after each step."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING
from uuid import UUID

from draw import disk
from members import make_images

from raidsim.array import Array, ArraySpec
from raidsim.md import attributes
from raidsim.md.superblock import SuperblockV1

if TYPE_CHECKING:
    from pathlib import Path

IMAGE_BYTES = 12 << 20
MEMBERS = 4
CHUNK_KIB = 64
SB_BYTES = 4096  # where the superblock of metadata 1.2 begins, and how much of it to look at
OF_ONE_ARRAY = {"set_uuid", "set_name", "ctime", "utime", "device_uuid", "sb_csum"}
# Attributes of md that raidsim refuses by name.
ABSENT = {
    "bitmap/max_backlog_used",
    "bitmap_set_bits",
    "group_thread_cnt",
    "journal_mode",
    "new_dev",
    "ppl_write_hint",
    "serialize_policy",
    "skip_copy",
    "sync_force_parallel",
}
MEMBER_ABSENT = {"new_offset", "ppl_sector", "ppl_size"}
SPEED = {"sync_speed"}  # of the machine, not of the array

# Bash's own words, since a process is dear there.
PRELUDE = """
set +eE; trap - ERR
M=/sys/block/md0/md
value() { value=; IFS= read -r -d '' value 2>/dev/null <$1; value=${value%$'\\n'}; }
quiet() {
    for _ in {1..100}; do
        value $M/sync_action
        case $value in idle|frozen) break;; esac
        value $M/sync_max; max=$value; value $M/sync_completed
        [ "${value%% *}" = "$max" ] && break
        sleep 0.05
    done
    sleep 0.2
    # The last checkpoint before a pause may wait for anything to wake the array's thread.
    echo -blocked >$M/dev-ubda/state
    sleep 0.2
}
look() {
    quiet
    (
        cd $M
        for f in * dev-*/* bitmap/*; do
            [ -f $f ] || continue
            value $f; printf '%s=%s\\n' $f "${value//$'\\n'/|}"
        done
        for f in rd*; do printf '%s=%s\\n' $f $(readlink $f); done
    ) >$OUT/$1.attributes
    for i in DISKS; do
        dd if=/dev/ubd$i of=$OUT/$1.$i bs=4096 skip=1 count=1 iflag=direct status=none
    done
}
put() {
    if printf '%s\\n' "$2" 2>/dev/null >$M/$1; then echo taken; else echo refused; fi
    value $M/$1; echo "${value//$'\\n'/|}"
}
"""


@dataclasses.dataclass(frozen=True)
class Step:
    """What is done: an attribute written, or a member failed, removed or added, or a write."""

    what: str
    value: str = ""

    def script(self) -> str:
        done = {
            "fail": f"mdadm --fail /dev/md0 {disk(MEMBERS - 1)}",
            "remove": f"mdadm --remove /dev/md0 {disk(MEMBERS - 1)}",
            "add": f"mdadm --add /dev/md0 {disk(MEMBERS)}",
            "write": "dd if=/dev/zero of=/dev/md0 bs=4096 count=1 oflag=direct status=none",
        }
        return done.get(self.what, f"put {self.what} '{self.value}'") + " >/dev/null"

    def carry_out(self, array: Array, images: list[Path]) -> None:
        if self.what == "fail":
            array.fail(images[MEMBERS - 1].name)
        elif self.what == "remove":
            array.remove(images[MEMBERS - 1].name)
        elif self.what == "add":
            array.add(images[MEMBERS])
        elif self.what == "write":
            array.write(0, bytes(4096))
        else:
            # Not Array.set, which ends what pauses: under md it goes on waiting.
            attributes.store(array.mddev, self.what, self.value)
            array.machine.sim.run()
            if self.what == "sync_action" and self.value in {"idle", "resync", "recover"}:
                _go_on(array)


def _go_on(array: Array) -> None:
    """Begin what md begins by itself."""
    mddev = array.mddev
    while mddev.sync_thread is None and attributes.show(mddev, "sync_action") == "idle":
        before = mddev.events
        attributes.store(mddev, "sync_action", "resync")
        array.machine.sim.run()
        if mddev.events == before:
            return


def steps(text: str) -> list[Step]:
    return [Step(*line.split()) for line in text.strip().splitlines()]


CHECKS = steps("""
safe_mode_delay 60
sync_min 4096
sync_max 8192
sync_action check
sync_action idle
sync_action check
sync_max 12288
sync_action idle
sync_max max
sync_action check
sync_min 1000
sync_max 20480
sync_action repair
sync_action frozen
sync_max max
sync_action repair
sync_action frozen
sync_action recover
write
sync_action check
""")

REBUILDS = steps("""
sync_action frozen
fail
remove
add
sync_max 4096
sync_action recover
sync_action frozen
sync_max 8192
sync_action recover
sync_max max
sync_action check
""")

RESYNCS = steps("""
safe_mode_delay 60
sync_action frozen
resync_start 0
sync_max 4096
sync_action resync
sync_action frozen
sync_action check
sync_action frozen
sync_max 16384
sync_action check
sync_action frozen
sync_max 20480
sync_action repair
sync_max max
sync_action frozen
resync_start 8192
sync_action idle
""")


def real_states(real_md, images, scratch, create, steps, spoil=""):
    """What real md shows after each step: attributes, and each member's superblock."""
    scratch.mkdir()
    letters = "abcdefgh"[: len(images)]
    script = [
        PRELUDE.replace("DISKS", " ".join(letters)),
        f"OUT={scratch}",
        create,
        spoil,
        *(f"{step.script()}; look {number}" for number, step in enumerate(steps)),
    ]
    real_md.run(images, "\n".join(script))
    for number in range(len(steps)):
        lines = (scratch / f"{number}.attributes").read_text().splitlines()
        shown = dict(line.split("=", 1) for line in lines)
        yield shown, [(scratch / f"{number}.{letter}").read_bytes() for letter in letters]


def compare(array, images, theirs, number, step):
    """Our attributes and superblocks with theirs."""
    shown, superblocks = theirs
    where = f"after step {number}, {step}"
    ours = {name: attributes.show(array.mddev, name) for name in attributes.names(array.mddev)}
    renamed = {}
    for name, value in shown.items():
        for letter, image in zip("abcdefgh", images, strict=False):
            name = name.replace(f"dev-ubd{letter}", f"dev-{image.name}")  # noqa: PLW2901  letter by letter
            value = value.replace(f"dev-ubd{letter}", f"dev-{image.name}")  # noqa: PLW2901  as above
        renamed[name] = value
    missing = {n for n in renamed.keys() - ours.keys() if n.split("/")[-1] not in MEMBER_ABSENT}
    assert missing <= ABSENT, where
    assert ours.keys() <= renamed.keys(), where
    for name, value in ours.items():
        if name == "uuid":
            assert renamed[name] == str(
                UUID(bytes=SuperblockV1.from_bytes(superblocks[0]).set_uuid)
            )
        elif name not in SPEED:
            assert value == renamed[name].replace("|", "\n"), f"{name} {where}"
    for image, raw in zip(images, superblocks, strict=True):
        with image.open("rb") as file:
            file.seek(SB_BYTES)
            our_raw = file.read(SB_BYTES)
        if not any(raw[:4]) and not any(our_raw[:4]):
            continue
        mine = dataclasses.asdict(SuperblockV1.from_bytes(our_raw))
        real = dataclasses.asdict(SuperblockV1.from_bytes(raw))
        for field in sorted(mine.keys() - OF_ONE_ARRAY):
            assert mine[field] == real[field], f"{field} of {image.name} {where}"


CREATE = (
    f"mdadm --create /dev/md0 --run --assume-clean --bitmap=none --level=6 --metadata=1.2"
    f" --raid-devices={MEMBERS} --chunk={CHUNK_KIB} {' '.join(disk(i) for i in range(MEMBERS))}"
)
SPEC = ArraySpec(level=6, raid_disks=MEMBERS, layout=2, chunk_sectors=CHUNK_KIB * 2, in_sync=True)


def spoil(image: Path, sector: int, data: bytes) -> None:
    with image.open("r+b") as file:
        file.seek((2048 + sector) * 512)
        file.write(data)


def test_checks_and_repairs_pause_stop_and_go_on_as_under_md(real_md, tmp_path):
    theirs = make_images(tmp_path / "theirs", MEMBERS + 1, IMAGE_BYTES)
    ours = make_images(tmp_path / "ours", MEMBERS + 1, IMAGE_BYTES)
    junk = tmp_path / "junk"
    junk.write_bytes(random.Random(1).randbytes(8192))
    todo = CHECKS + REBUILDS
    states = real_states(
        real_md,
        theirs,
        tmp_path / "states",
        CREATE,
        todo,
        spoil=f"for at in 256 1536; do dd if={junk} of={disk(3)} bs=4096 seek=$at count=2"
        " oflag=direct conv=notrunc status=none; done",
    )
    with Array.create(tmp_path / "array", SPEC, ours[:MEMBERS]) as array:
        for sector in (0, 10240):
            spoil(ours[3], sector, junk.read_bytes())
        for number, (step, state) in enumerate(zip(todo, states, strict=True)):
            step.carry_out(array, ours)
            compare(array, ours, state, number, step)


def test_resyncs_pause_stop_and_go_on_as_under_md(real_md, tmp_path):
    theirs = make_images(tmp_path / "theirs", MEMBERS, IMAGE_BYTES)
    ours = make_images(tmp_path / "ours", MEMBERS, IMAGE_BYTES)
    for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        content = random.Random(number).randbytes(IMAGE_BYTES)
        one.write_bytes(content)
        other.write_bytes(content)
    states = real_states(
        real_md,
        theirs,
        tmp_path / "states",
        CREATE,
        RESYNCS,
    )
    with Array.create(tmp_path / "array", SPEC, ours) as array:
        for number, (step, state) in enumerate(zip(RESYNCS, states, strict=True)):
            step.carry_out(array, ours)
            compare(array, ours, state, number, step)


# Written one after the other to a healthy array; what is refused has to leave the value alone.
WRITES = [
    *(("sync_min", v) for v in ("8", "9", "15", "1000", "99999999", "-1", "abc", "", "010", "0x8")),
    *(("sync_min", v) for v in (" 8", "8 ", "+16", "max", "0")),
    *(("sync_max", v) for v in ("0", "128", "1281", "22528", "22656", "-128", "abc", "", "maxi")),
    *(("sync_max", v) for v in ("MAX", "max")),
    ("sync_min", "1000"),
    *(("sync_max", v) for v in ("896", "1024")),
    *(("sync_min", v) for v in ("1024", "1032", "0")),
    ("sync_max", "max"),
    *(("sync_speed_min", v) for v in ("0", "1", "100", "-1", "abc", "4294967296", "", "system")),
    *(("sync_speed_max", v) for v in ("0", "1", "100", "abc", "systemx")),
    *(("safe_mode_delay", v) for v in ("0", "0.2", "0.25", "1", "60", ".5", "5.", "1.23", "-1")),
    *(("safe_mode_delay", v) for v in ("1.2.3", "abc", "", "60")),
    *(("rmw_level", v) for v in ("0", "1", "2", "3", "-1", "abc", "", "1")),
    *(("stripe_cache_size", v) for v in ("16", "17", "18", "32769", "0", "-1", "abc", "300")),
    *(("preread_bypass_threshold", v) for v in ("0", "1", "300", "301", "-1", "abc", "256")),
    ("stripe_cache_size", "20"),
    ("preread_bypass_threshold", "21"),
    *(("max_read_errors", v) for v in ("0", "100", "-1", "abc", "4294967296", "20")),
    *(("fail_last_dev", v) for v in ("1", "n", "Y", "off", "on", "2", "abc", "0")),
    *(("array_size", v) for v in ("100", "22528", "22529", "defaultx", "abc", "-1", "default")),
    *(("suspend_lo", v) for v in ("128", "-1", "abc", "0")),
    *(("suspend_hi", v) for v in ("0", "-1", "abc")),
    *(("resync_start", v) for v in ("8", "none", "abc")),
    *((name, "1") for name in ("degraded", "mismatch_cnt", "last_sync_action", "uuid")),
    *((name, "1") for name in ("sync_speed", "sync_completed", "stripe_cache_active")),
    *(("array_state", v) for v in ("clean", "abc", "active-idle")),
    ("sync_action", "abc"),
    *(("MEMBER/errors", v) for v in ("5", "abc", "-1", "0")),
    *(("MEMBER/slot", v) for v in ("1", "abc")),
    *(("MEMBER/bad_blocks", v) for v in ("8", "8 0", "8 -1", "a b", "4000 8", "5000 512", "")),
    ("MEMBER/offset", "0"),
    ("MEMBER/recovery_start", "0"),
    *(("MEMBER/state", v) for v in ("abc", "insync", "replacement")),
]


def test_what_is_taken_and_what_is_refused_is_as_under_md(real_md, tmp_path):
    theirs = make_images(tmp_path / "theirs", MEMBERS, IMAGE_BYTES)
    script = [PRELUDE, CREATE, "echo '==='"]
    script += [f"put {name.replace('MEMBER', 'dev-ubda')} '{value}'" for name, value in WRITES]
    printed = real_md.run(theirs, "\n".join(script)).output.split("===\n")[1].splitlines()
    ours = make_images(tmp_path / "ours", MEMBERS, IMAGE_BYTES)
    found = []
    with Array.create(tmp_path / "array", SPEC, ours) as array:
        for name, value in WRITES:
            own_name = name.replace("MEMBER", f"dev-{ours[0].name}")
            try:
                attributes.store(array.mddev, own_name, value)
                found.append("taken")
            except (attributes.InvalidValueError, attributes.AttributeRefusedError):
                found.append("refused")
            found.append(attributes.show(array.mddev, own_name).replace("\n", "|"))
        uuid = attributes.show(array.mddev, "uuid")
    lines = iter(zip(printed, found, strict=True))
    for name, value in WRITES:
        for real, mine in (next(lines), next(lines)):
            if mine != uuid:
                assert mine == real, f"{name} <- {value!r}"
