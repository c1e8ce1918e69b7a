"""What the observation hook tells, as lines of text and as a trace for Perfetto."""

from raidsim.trace.event_line import event_line, in_columns
from raidsim.trace.tracer import Tracer

__all__ = ["Tracer", "event_line", "in_columns"]
