"""Notice a training loss that is no longer a number, or far too large, before it reaches a checkpoint."""

import dataclasses
import math


class DivergedError(RuntimeError):
    """The training loss is not finite, or above `trainer.loss_upper_bound`. No checkpoint holds these weights.

    Common causes: 1. the learning rate is too high, or has no warmup; 2. float16 without a loss scale
    (`runtime.loss_scale=dynamic`); 3. a batch with a label out of range, or without a valid element, whose loss
    divides by zero; 4. a logarithm or square root at 0. To find the step, go on from the last checkpoint with
    `trainer.steps_per_loop=1`. To go back to the last checkpoint by itself, with other data, set
    `trainer.recovery_max_trials` to how often it may; -1 turns the check off.
    """


@dataclasses.dataclass(frozen=True)
class LossGuard:
    """Decides whether a loss is still sane.

    Attributes:
        upper_bound: The largest sane loss.
        begin_step: The first step that is checked; losses before it may be anything.
        max_recoveries: How often a run may go back to its last checkpoint; 0 stops it at the first bad loss, below 0
            nothing is checked.
    """

    upper_bound: float = 1e6
    begin_step: int = 0
    max_recoveries: int = 0

    @property
    def stops(self) -> bool:
        """Whether a bad loss ends the run at once."""
        return self.max_recoveries == 0

    def finds_bad(self, loss: float, step: int) -> bool:
        """Say whether `loss`, the mean up to `step`, is not finite or too large."""
        if self.max_recoveries < 0 or step < self.begin_step:
            return False
        return not math.isfinite(loss) or loss > self.upper_bound

    def error(self, loss: float, first_step: int, last_step: int) -> DivergedError:
        """Return the error for a bad mean loss over the steps `first_step` to `last_step`."""
        when = f"step {last_step}" if first_step == last_step else f"a step between {first_step} and {last_step}"
        what = "is not finite" if not math.isfinite(loss) else f"is above loss_upper_bound={self.upper_bound:g}"
        return DivergedError(
            f"The training loss {what} since {when}: training_loss={loss}. Likely causes: a learning rate that is too "
            "high, float16 without a loss scale, or a batch whose loss divides by zero. Nothing of this was saved; to "
            "find the step, go on from the last checkpoint with trainer.steps_per_loop=1."
        )
