"""What async_tx refuses; each of these is a BUG(), a panic or an endless loop in the kernel."""

from raidsim.errors import RaidsimError


class AsyncTxError(RaidsimError):
    """async_tx says no."""


class SubmissionContextError(AsyncTxError):
    """An operation was submitted where none may be (async-tx-api.txt 3.6)."""


class DependencyError(AsyncTxError):
    """A descriptor can not be the parent it was made to be (async-tx-api.txt 3.3)."""


class OperationError(AsyncTxError):
    """An operation's parameters make no sense together."""


class DescriptorExhaustedError(AsyncTxError):
    """A channel has no descriptor left and none will come back."""


class QuiesceError(AsyncTxError):
    """An operation that had to be waited for did not complete."""
