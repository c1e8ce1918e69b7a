"""What may be asked of a running array over its control socket, and what is done about it.

Calls act on the array at once, between two turns of the simulation. What takes its time, a rebuild,
a check, bytes, is waited for while the simulation goes on.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from raidsim.array import syncing
from raidsim.array.transfer import bios, check_bio, check_not_suspended, check_range
from raidsim.control.arguments import check_arguments
from raidsim.control.plain import report_to_plain
from raidsim.control.protocol import PIECE_BYTES, ControlError
from raidsim.errors import UsageError
from raidsim.md.bio import READ, WRITE
from raidsim.md.raid5.mismatch import MismatchLog
from raidsim.md.sync import start_sync
from raidsim.sim import DeadlockError
from raidsim.tables import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from raidsim.array import Array, SyncReport
    from raidsim.array.monitor import Monitor
    from raidsim.array.syncing import Progress
    from raidsim.md.bio import Bio
    from raidsim.md.sync import SyncThread

# How often a sync that somebody waits for is looked at.
_LOOK_SECONDS = 0.05
# The members' disks are metered until nobody has asked for so long what they do.
_WATCHED_SECONDS = 15.0
_CHANGES = frozenset(
    {"add", "fail", "inject", "re-add", "remove", "remove-fault", "replace", "set", "switch-fault"}
)


class ControlService:
    """The requests of one array's control socket.

    Args:
        array: the array, which is live.
        monitor: what watches it.
        wake: called when the simulation has something to do.
    """

    def __init__(self, array: Array, monitor: Monitor, wake: Callable[[], object]) -> None:
        self._array = array
        self._monitor = monitor
        self._wake = wake
        self._scrub: SyncThread | None = None
        self._unwatch: asyncio.TimerHandle | None = None
        self._calls: dict[str, Callable[..., Any]] = {
            "activity": self._activity,
            "add": self._add,
            "attributes": array.attributes,
            "check": self._check,
            "fail": self._fail,
            "faults": self._faults,
            "get": self._get,
            "inject": self._inject,
            "interrupt": self._interrupt,
            "re-add": self._re_add,
            "read": self._read,
            "rebuild": self._rebuild,
            "remove": self._remove,
            "remove-fault": self._remove_fault,
            "repair": self._repair,
            "replace": self._replace,
            "set": self._set,
            "snapshot": self._snapshot,
            "switch-fault": self._switch_fault,
            "write": self._write,
        }

    async def call(self, command: str, arguments: dict[str, Any], progress: Progress) -> Any:
        """Carry out a request and return its result, as plain values.

        Args:
            command: what is asked.
            arguments: how, as plain values.
            progress: called with the action, sectors done and sectors in all.

        Raises:
            RaidsimError: the array says no, or the request makes no sense.
        """
        function = self._calls.get(command)
        if function is None:
            raise UsageError(f"no command {command!r}: {suggest(command, self._calls)}")
        check_arguments(command, function, arguments)
        if command in _CHANGES:
            self._array.mddev.log.info("control: %s", " ".join((command, *_words(arguments))))
        if command in {"check", "rebuild", "repair"}:
            function = partial(function, progress)
        try:
            result = function(**arguments)
            if asyncio.iscoroutine(result):
                result = await result
        except DeadlockError:
            raise ControlError(
                f"{command}: a member does not answer; what was done is not written down yet"
            ) from None
        finally:
            self._wake()
        return result

    def close(self) -> None:
        """Watch the members' disks no more."""
        if self._unwatch is not None:
            self._unwatch.cancel()

    # -- looking --------------------------------------------------------------------------------

    def _snapshot(self) -> dict[str, Any]:
        return asdict(self._array.snapshot())

    def _activity(self) -> dict[str, Any]:
        self._monitor.watch()
        self.close()
        loop = asyncio.get_running_loop()
        self._unwatch = loop.call_later(_WATCHED_SECONDS, self._monitor.unwatch)
        return asdict(self._monitor.activity())

    def _get(self, *, name: str) -> str:
        return self._array.get(name)

    # -- members --------------------------------------------------------------------------------

    def _fail(self, *, disk: str) -> None:
        self._array.fail(disk)
        self._begin_sync()

    def _remove(self, *, disk: str) -> None:
        self._array.remove(disk)

    def _add(self, *, image: str) -> bool:
        re_added = self._array.add(image)
        self._begin_sync()
        return re_added

    def _re_add(self, *, disk: str) -> None:
        self._array.re_add(disk)
        self._begin_sync()

    def _replace(self, *, disks: list[str], replacements: list[str]) -> list[str]:
        waiting = self._array.replace(disks, replacements)
        self._begin_sync()
        return waiting

    def _set(self, *, name: str, value: str) -> None:
        self._array.set(name, value)
        self._begin_sync()

    def _begin_sync(self) -> None:
        """Begin at once what the array would begin in its next turn, so that it shows."""
        self._array.settle()
        begin = self._array.mddev.begin_sync
        if begin is not None:
            begin()

    # -- syncs ----------------------------------------------------------------------------------

    async def _rebuild(self, progress: Progress) -> list[dict[str, Any]]:
        array = self._array
        array.check_writable()
        syncing.refuse_frozen(array)
        reports: list[SyncReport] = []
        while not reports or reports[-1].ended not in {syncing.PAUSED, syncing.STOPPED}:
            self._begin_sync()
            thread = array.mddev.sync_thread
            if thread is None:
                break
            report = await self._follow(thread, progress)
            if not report.requested:
                reports.append(report)
        return [report_to_plain(report) for report in reports]

    async def _check(self, progress: Progress) -> dict[str, Any]:
        self._array.check_not_readonly()
        return await self._run_scrub("check", MismatchLog(), progress)

    async def _repair(self, progress: Progress, *, locate: bool = False) -> dict[str, Any]:
        self._array.check_writable()
        if locate:
            syncing.require_two_right_parities(self._array.mddev)
        return await self._run_scrub("repair", MismatchLog() if locate else None, progress)

    async def _run_scrub(
        self, action: str, mismatches: MismatchLog | None, progress: Progress
    ) -> dict[str, Any]:
        mddev = self._array.mddev
        thread = start_sync(mddev, action)
        assert thread is not None
        mddev.mismatch_log = mismatches
        self._scrub = thread
        report = await self._follow(thread, progress, mismatches)
        self._array.settings.save()
        return report_to_plain(report)

    async def _follow(
        self, thread: SyncThread, progress: Progress, mismatches: MismatchLog | None = None
    ) -> SyncReport:
        """Wait until a sync ends or pauses."""
        self._wake()
        while not thread.finished and not thread.paused:
            await asyncio.sleep(_LOOK_SECONDS)
            progress(thread.action, thread.sectors_done, thread.end_sector)
        return syncing.sync_report(thread, mismatches, paused=thread.paused)

    def _interrupt(self) -> bool:
        """End a check or repair that was asked for here; tell if there is one."""
        thread = self._array.mddev.sync_thread
        mine = thread is not None and thread is self._scrub
        return mine and self._array.interrupt()

    # -- bytes ----------------------------------------------------------------------------------

    async def _read(self, *, offset: int, length: int) -> str:
        _check_piece(offset, length)
        check_range(self._array.size, offset, length)
        buffer = np.empty(length, np.uint8)
        await self._transfer(READ, offset, buffer)
        return base64.b64encode(buffer.data).decode()

    async def _write(self, *, offset: int, data: str) -> None:
        try:
            buffer = np.frombuffer(base64.b64decode(data, validate=True), np.uint8)
        except binascii.Error:
            raise UsageError("data: not base64") from None
        _check_piece(offset, len(buffer))
        check_range(self._array.size, offset, len(buffer))
        self._array.check_writable()
        check_not_suspended(self._array, offset, len(buffer))
        await self._transfer(WRITE, offset, buffer)

    async def _transfer(self, operation: int, offset: int, buffer: NDArray[np.uint8]) -> None:
        loop = asyncio.get_running_loop()
        ended: list[asyncio.Future[None]] = []
        begun = list(bios(self._array, operation, offset, buffer))
        for bio in begun:
            future = loop.create_future()
            ended.append(future)
            bio.end_io = partial(_tell, future)
            self._array.mddev.submit_bio(bio)
        self._wake()
        await asyncio.gather(*ended)
        for bio in begun:
            check_bio(self._array, bio)

    # -- faults ---------------------------------------------------------------------------------

    def _faults(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._monitor.injection.snapshots()]

    def _inject(self, *, target: str, table: dict[str, Any]) -> int:
        return self._monitor.injection.inject(target, table)

    def _switch_fault(self, *, fault: int, on: bool) -> None:
        self._monitor.injection.switch(fault, on=on)

    def _remove_fault(self, *, fault: int) -> None:
        self._monitor.injection.remove(fault)


def _words(arguments: dict[str, Any]) -> Iterator[str]:
    """The arguments of a request, for the log."""
    for name, value in arguments.items():
        if isinstance(value, dict):
            yield from _words(value)
        else:
            yield f"{name}={value}"


def _tell(future: asyncio.Future[None], _bio: Bio) -> None:
    if not future.done():
        future.set_result(None)


def _check_piece(offset: int, length: int) -> None:
    """Refuse bytes that are no whole sectors, or too many at once."""
    if offset % 512 or length % 512 or not 0 < length <= PIECE_BYTES:
        raise UsageError(
            f"{length} bytes at {offset}: whole sectors of 512 bytes, at most {PIECE_BYTES} bytes"
        )
