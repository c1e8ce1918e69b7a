"""What dmaengine refuses."""

from raidsim.errors import RaidsimError, UsageError


class DmaengineError(RaidsimError):
    """dmaengine says no."""


class DmaRegistrationError(DmaengineError):
    """A DMA device does not meet the conditions of registration."""


class DmaBusyError(DmaengineError):
    """A channel is in use where it must not be."""


class DmaContextError(DmaengineError):
    """The call can not be made in the context it was made in."""


class EngineHaltedError(DmaengineError):
    """A descriptor failed in a way its engine does not recover from."""


class DescriptorError(DmaengineError):
    """A descriptor asks an engine for what it can not do."""


class DmatestError(UsageError):
    """The parameters of dmatest make no sense on a channel."""
