"""The numbers and structs of the NBD protocol, under the names its document gives them.

Reference: the NetworkBlockDevice project's doc/proto.md. Everything is in network byte order.
"""

from __future__ import annotations

from struct import Struct

from raidsim.errors import RaidsimError


class ProtocolError(RaidsimError):
    """A client does what the protocol does not allow, so that there is no going on with it."""


# -- handshake ----------------------------------------------------------------------------------

NBDMAGIC = 0x4E42444D41474943
IHAVEOPT = 0x49484156454F5054
NBD_REP_MAGIC = 0x0003E889045565A9

GREETING = Struct("!QQH")  # NBDMAGIC, IHAVEOPT, handshake flags
CLIENT_FLAGS = Struct("!I")
OPTION = Struct("!QII")  # IHAVEOPT, option, length of what follows
OPTION_REPLY = Struct("!QIII")  # magic, option, type of reply, length of what follows
EXPORT_NAME_REPLY = Struct("!QH")  # size, transmission flags; 124 zeros may follow
INFO_EXPORT = Struct("!HQH")  # NBD_INFO_EXPORT, size, transmission flags
INFO_BLOCK_SIZE = Struct("!HIII")  # NBD_INFO_BLOCK_SIZE, minimum, preferred, maximum
U16 = Struct("!H")
U32 = Struct("!I")

NBD_FLAG_FIXED_NEWSTYLE = 1 << 0
NBD_FLAG_NO_ZEROES = 1 << 1

NBD_OPT_EXPORT_NAME = 1
NBD_OPT_ABORT = 2
NBD_OPT_LIST = 3
NBD_OPT_STARTTLS = 5
NBD_OPT_INFO = 6
NBD_OPT_GO = 7
NBD_OPT_STRUCTURED_REPLY = 8
NBD_OPT_LIST_META_CONTEXT = 9
NBD_OPT_SET_META_CONTEXT = 10

NBD_REP_ACK = 1
NBD_REP_SERVER = 2
NBD_REP_INFO = 3
NBD_REP_META_CONTEXT = 4
NBD_REP_ERR_UNSUP = 1 << 31 | 1
NBD_REP_ERR_INVALID = 1 << 31 | 3
NBD_REP_ERR_TLS_REQD = 1 << 31 | 5
NBD_REP_ERR_UNKNOWN = 1 << 31 | 6
NBD_REP_ERR_TOO_BIG = 1 << 31 | 9

NBD_INFO_EXPORT = 0
NBD_INFO_NAME = 1
NBD_INFO_DESCRIPTION = 2
NBD_INFO_BLOCK_SIZE = 3

# The longest string there may be.
MAX_NAME_BYTES = 4096
# The most that an option may carry: a query of many metadata contexts fits in.
MAX_OPTION_BYTES = 1 << 16

# -- transmission -------------------------------------------------------------------------------

NBD_FLAG_HAS_FLAGS = 1 << 0
NBD_FLAG_READ_ONLY = 1 << 1
NBD_FLAG_SEND_FLUSH = 1 << 2
NBD_FLAG_SEND_FUA = 1 << 3
NBD_FLAG_SEND_TRIM = 1 << 5
NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6
NBD_FLAG_SEND_DF = 1 << 7
NBD_FLAG_CAN_MULTI_CONN = 1 << 8
NBD_FLAG_SEND_CACHE = 1 << 10
NBD_FLAG_SEND_FAST_ZERO = 1 << 11

NBD_REQUEST_MAGIC = 0x25609513
NBD_SIMPLE_REPLY_MAGIC = 0x67446698
NBD_STRUCTURED_REPLY_MAGIC = 0x668E33EF

REQUEST = Struct("!IHHQQI")  # magic, flags, command, cookie, offset, length
SIMPLE_REPLY = Struct("!IIQ")  # magic, error, cookie
CHUNK = Struct("!IHHQI")  # magic, flags, type, cookie, length of what follows
DATA_CHUNK = Struct("!IHHQIQ")  # the same, and the offset of the data that follow
ERROR_CHUNK = Struct("!IHHQIIH")  # the same, error, length of the message that follows
STATUS_CHUNK = Struct("!IHHQII")  # the same, and the metadata context's number
EXTENT = Struct("!II")  # length, status

NBD_CMD_READ = 0
NBD_CMD_WRITE = 1
NBD_CMD_DISC = 2
NBD_CMD_FLUSH = 3
NBD_CMD_TRIM = 4
NBD_CMD_CACHE = 5
NBD_CMD_WRITE_ZEROES = 6
NBD_CMD_BLOCK_STATUS = 7

NBD_CMD_FLAG_FUA = 1 << 0
NBD_CMD_FLAG_NO_HOLE = 1 << 1
NBD_CMD_FLAG_DF = 1 << 2
NBD_CMD_FLAG_REQ_ONE = 1 << 3
NBD_CMD_FLAG_FAST_ZERO = 1 << 4

NBD_REPLY_FLAG_DONE = 1 << 0

NBD_REPLY_TYPE_NONE = 0
NBD_REPLY_TYPE_OFFSET_DATA = 1
NBD_REPLY_TYPE_BLOCK_STATUS = 5
NBD_REPLY_TYPE_ERROR = 1 << 15 | 1

NBD_EPERM = 1
NBD_EIO = 5
NBD_EINVAL = 22
NBD_ENOSPC = 28
NBD_ENOTSUP = 95

# What a client may send or ask for at once; those that know nothing better rely on it.
MAX_PAYLOAD_BYTES = 32 << 20

# -- metadata contexts --------------------------------------------------------------------------

BASE_ALLOCATION = "base:allocation"
NBD_STATE_HOLE = 1 << 0
NBD_STATE_ZERO = 1 << 1

RAIDSIM_HEALTH = "raidsim:health"
HEALTH_CLEAN = 0
HEALTH_DEGRADED = 1 << 0
HEALTH_REBUILDING = 1 << 1
HEALTH_BAD = 1 << 2
