"""Reads a trace as the viewers do, and refuses what they could not show."""

import json
from collections import defaultdict


class Slice:
    def __init__(self, name, start_ns, end_ns, details):
        self.name, self.start_ns, self.end_ns, self.details = name, start_ns, end_ns, details

    @property
    def duration_ns(self):
        return self.end_ns - self.start_ns


class TraceReader:
    """The slices by group and track, and the arrows between them.

    As Perfetto does, events are taken in the order of their times, those of the same time in the
    order of the file; a flow begins and ends at what its track is at then.
    """

    def __init__(self, text):
        events = json.loads(text)["traceEvents"]
        self.slices = defaultdict(list)
        self.instants = defaultdict(list)
        self.arrows = []
        self._groups, self._names = {}, {}
        for event in events:
            if event["ph"] == "M":
                self._name(event)
        self._stacks = defaultdict(list)
        self._flows = {}
        timed = (event for event in events if event["ph"] != "M")
        for event in sorted(timed, key=lambda event: nanoseconds(event["ts"])):
            self._take(event, nanoseconds(event["ts"]), (event["pid"], event["tid"]))
        assert not self._flows, "flows without an end"
        for track, stack in self._stacks.items():
            assert all(open_slice.end_ns is not None for open_slice in stack), track

    def _name(self, event):
        if event["name"] == "process_name":
            self._groups[event["pid"]] = event["args"]["name"]
        elif event["name"] == "thread_name":
            track = self._groups[event["pid"]], event["args"]["name"]
            assert track not in self._names.values(), f"{track} is there twice"
            self._names[event["pid"], event["tid"]] = track

    def _take(self, event, time_ns, track):
        stack, name, details = self._stacks[track], event.get("name"), event.get("args", {})
        if event["ph"] in "BX":
            while stack and stack[-1].end_ns is not None and stack[-1].end_ns <= time_ns:
                stack.pop()
            end_ns = None if event["ph"] == "B" else time_ns + nanoseconds(event["dur"])
            if stack and stack[-1].end_ns is not None:
                assert end_ns is not None, f"{name} begins in a slice that ends by itself"
                assert end_ns <= stack[-1].end_ns, f"{name} does not nest"
            stack.append(Slice(name, time_ns, end_ns, details))
            self.slices[self._names[track]].append(stack[-1])
        elif event["ph"] == "E":
            while stack and stack[-1].end_ns is not None:
                stack.pop()
            assert stack, "an end without a beginning"
            ended = stack.pop()
            ended.end_ns = time_ns
            ended.details = {**ended.details, **details}
        elif event["ph"] == "i":
            self.instants[self._names[track]].append((name, time_ns, details))
        elif event["ph"] == "s":
            assert event["id"] not in self._flows
            self._flows[event["id"]] = track, self._at(track, time_ns), time_ns
        elif event["ph"] == "f":
            start, source, start_ns = self._flows.pop(event["id"])
            assert start_ns <= time_ns
            target = self._at(track, time_ns)
            self.arrows.append((self._names[start], source, self._names[track], target))

    def _at(self, track, time_ns):
        assert self._stacks[track], f"a flow at {time_ns} to nothing of {self._names[track]}"
        found = self._stacks[track][-1]
        assert found.end_ns is None or time_ns <= found.end_ns, f"a flow at {time_ns} misses"
        return found

    def of_group(self, group):
        return [
            one for (of, _), slices in sorted(self.slices.items()) if of == group for one in slices
        ]

    def arrows_between(self, group, other):
        return [
            (source, target)
            for start, source, end, target in self.arrows
            if (start[0], end[0]) == (group, other)
        ]


def nanoseconds(microseconds):
    return round(microseconds * 1000)
