"""What a summary manager says when it refuses or drops something."""


class UnwritableSummaryError(ValueError):
    """A key or a value of a summary dict cannot be written; nothing of that dict was.

    Common causes: a metric that returns a vector (write one scalar per class, or reduce it); a log that was never
    filled (None); a key that is no string, such as a class id (use `str(id)`); a group key that points out of the
    summary directory.
    """


class DroppedSummaryWarning(UserWarning):
    """Values were dropped because their directory already holds this step, or a later one.

    This is normal for the first steps after a resume from a checkpoint that is older than the last summary. To record
    a second run from the start, give it a directory of its own or remove the event files of the first.
    """
