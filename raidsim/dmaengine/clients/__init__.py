"""Other users of dmaengine beside async_tx: one that shares channels, one that owns its own."""

from raidsim.dmaengine.clients.disk_controller import DiskController
from raidsim.dmaengine.clients.net_dma import NetDma, dma_async_memcpy_buf_to_buf

__all__ = ["DiskController", "NetDma", "dma_async_memcpy_buf_to_buf"]
