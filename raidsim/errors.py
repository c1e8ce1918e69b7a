"""The errors a user can cause, all of one family, so that a program can tell them from defects."""


class RaidsimError(Exception):
    """The array, the data or the request says no.

    The message is one line that names the thing and, where there is one, the remedy. The command
    line prints it and exits with ``exit_status``.
    """

    exit_status = 1


class UsageError(RaidsimError):
    """The request itself cannot be meant: a wrong number, name or combination."""

    exit_status = 2
