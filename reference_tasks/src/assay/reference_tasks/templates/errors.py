"""What can be wrong with the wish for a new task."""


class NewTaskError(Exception):
    """A new task cannot be made as asked; the message is one sentence that says why, and what would do.

    Common causes of this problem are:

    1. A name that is no Python package name, or that another package or module has already.
    2. A folder of that name is there; none is ever overwritten.
    3. A template that does not exist.
    """
