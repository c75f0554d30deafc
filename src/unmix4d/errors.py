"""What can go wrong, each with the exit code of the command line (design, section 7)."""

from typing import ClassVar


class Unmix4dError(Exception):
    """Base of every error that is reported in one sentence instead of a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(Unmix4dError):
    """An option that is wrong or that the data cannot satisfy."""

    exit_code: ClassVar[int] = 2


class InputError(Unmix4dError):
    """A file or array that cannot be read, is not supported, or holds no usable data."""

    exit_code: ClassVar[int] = 3


class ResourceError(Unmix4dError):
    """Not enough memory or disk, or no permission to write."""

    exit_code: ClassVar[int] = 4


class ResumableInterrupt(Unmix4dError):  # noqa: N818 - an interruption is not an error of the user's
    """The run was interrupted and left a checkpoint from which it can be resumed."""

    exit_code: ClassVar[int] = 5


class Unmix4dWarning(UserWarning):
    """Something that the user should know and that did not stop the run."""
