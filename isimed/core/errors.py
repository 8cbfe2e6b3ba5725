"""The one error type that a user's input can cause."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence that names the file (or option) and the remedy. The app shows it as
    it is; the command line prints it on stderr and exits with status 2.
    """
