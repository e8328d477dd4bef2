"""What a host metric says about its inputs."""

from collections.abc import Iterable


class MissingFieldError(KeyError):
    """A metric needs a field that the groundtruths or predictions of a batch do not have.

    The metric's state is as it was before the update. Common causes: the model or input pipeline calls the field by
    another name; the evaluation step returns the predictions where the groundtruths are expected, or the reverse.
    """

    def __init__(self, metric: str, side: str, field: str, received: Iterable[str]) -> None:
        super().__init__(field)
        self.metric = metric
        self.side = side
        self.field = field
        self.received = tuple(received)

    def __str__(self) -> str:
        received = ", ".join(repr(key) for key in self.received) or "no field at all"
        return f"The metric {self.metric!r} needs the field {self.field!r} of the {self.side}. Received: {received}."

    def __reduce__(self) -> tuple[type, tuple[str, str, str, tuple[str, ...]]]:
        return type(self), (self.metric, self.side, self.field, self.received)
