"""The options of optimizers, learning-rate schedules, warmup and weight averaging."""

import dataclasses
from collections.abc import Iterable

from assay.core.config.base import Config
from assay.core.config.errors import Problem
from assay.core.config.one_of import OneOfConfig


@dataclasses.dataclass
class BaseOptimizerConfig(Config):
    """What every Keras optimizer takes.

    Attributes:
        name: Name of the optimizer object; empty for Keras' own.
        clipnorm: Limit of the L2 norm of each variable's gradient.
        clipvalue: Limit of the absolute value of each element of the gradients.
        global_clipnorm: Limit of the L2 norm of all gradients together. At most one of the three may be set. All see
            the gradients summed over the replicas.
        weight_decay: Decoupled weight decay: each step subtracts `learning_rate * weight_decay * variable`.
        exclude_from_weight_decay: Regular expressions; a variable whose name one of them matches is not decayed.
    """

    name: str = ""
    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    weight_decay: float | None = None
    exclude_from_weight_decay: list[str] | None = None

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem when the gradients would be clipped in two ways, or a number has the wrong sign."""
        limits = {name: getattr(self, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")}
        given = [name for name, value in limits.items() if value is not None]
        if len(given) > 1:
            yield f"at most one of clipnorm, clipvalue and global_clipnorm may be set; received {', '.join(given)}."
        for name in given:
            if not limits[name] > 0:
                yield Problem(name, f"must be above 0, or null for no clipping; received {limits[name]}.")
        if self.weight_decay is not None and self.weight_decay < 0:
            yield Problem("weight_decay", f"must not be negative; received {self.weight_decay}.")
        if self.exclude_from_weight_decay and not self.weight_decay:
            yield Problem("exclude_from_weight_decay", "has no effect, because there is no `weight_decay`.")


@dataclasses.dataclass
class SgdConfig(BaseOptimizerConfig):
    """Stochastic gradient descent with momentum."""

    momentum: float = 0.0
    nesterov: bool = False


@dataclasses.dataclass
class RmspropConfig(BaseOptimizerConfig):
    """RMSprop."""

    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False


@dataclasses.dataclass
class AdamConfig(BaseOptimizerConfig):
    """Adam."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False


@dataclasses.dataclass
class AdamWConfig(AdamConfig):
    """Adam with decoupled weight decay."""

    weight_decay: float | None = 0.004


@dataclasses.dataclass
class LambConfig(BaseOptimizerConfig):
    """LAMB: Adam with a learning rate for each layer, for large batches. Keras 3 only."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7


@dataclasses.dataclass
class LionConfig(BaseOptimizerConfig):
    """Lion: the sign of a momentum."""

    beta_1: float = 0.9
    beta_2: float = 0.99


@dataclasses.dataclass
class AdagradConfig(BaseOptimizerConfig):
    """Adagrad."""

    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7


@dataclasses.dataclass
class AdafactorConfig(BaseOptimizerConfig):
    """Adafactor: factored second moments, for little memory."""

    beta_2_decay: float = -0.8
    epsilon_1: float = 1e-30
    epsilon_2: float = 1e-3
    clip_threshold: float = 1.0
    relative_step: bool = True


@dataclasses.dataclass
class OptimizerConfig(OneOfConfig):
    """The choice of an optimizer."""

    sgd: SgdConfig = dataclasses.field(default_factory=SgdConfig)
    rmsprop: RmspropConfig = dataclasses.field(default_factory=RmspropConfig)
    adam: AdamConfig = dataclasses.field(default_factory=AdamConfig)
    adamw: AdamWConfig = dataclasses.field(default_factory=AdamWConfig)
    lamb: LambConfig = dataclasses.field(default_factory=LambConfig)
    lion: LionConfig = dataclasses.field(default_factory=LionConfig)
    adagrad: AdagradConfig = dataclasses.field(default_factory=AdagradConfig)
    adafactor: AdafactorConfig = dataclasses.field(default_factory=AdafactorConfig)


@dataclasses.dataclass
class ConstantLrConfig(Config):
    """The same learning rate at every step."""

    learning_rate: float = 0.1


@dataclasses.dataclass
class StepwiseLrConfig(Config):
    """`values[i]` while `step - offset` is at most `boundaries[i]`, `values[-1]` afterwards."""

    boundaries: list[int] | None = None
    values: list[float] | None = None
    offset: int = 0

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem unless there is one value more than there are boundaries, and these increase."""
        if self.boundaries is None or self.values is None:
            yield "`boundaries` and `values` must both be given."
            return
        if len(self.values) != len(self.boundaries) + 1:
            yield (
                f"`values` must have one item more than `boundaries`; received {len(self.values)} values and "
                f"{len(self.boundaries)} boundaries."
            )
        if self.boundaries != sorted(set(self.boundaries)):
            yield Problem("boundaries", f"must increase; received {self.boundaries}.")


@dataclasses.dataclass
class _DecayConfig(Config):
    """What the decaying schedules share: `decay_steps` counted from `offset`."""

    initial_learning_rate: float | None = None
    decay_steps: int | None = None
    offset: int = 0

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number that is missing or not positive."""
        if self.initial_learning_rate is None:
            yield Problem("initial_learning_rate", "must be given.")
        if self.decay_steps is None or self.decay_steps <= 0:
            yield Problem("decay_steps", f"must be above 0; received {self.decay_steps}.")


@dataclasses.dataclass
class ExponentialLrConfig(_DecayConfig):
    """`initial_learning_rate * decay_rate ** ((step - offset) / decay_steps)`, in whole powers if `staircase`."""

    decay_rate: float | None = None
    staircase: bool = False

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number that is missing or not positive."""
        yield from super().problems()
        if self.decay_rate is None:
            yield Problem("decay_rate", "must be given.")


@dataclasses.dataclass
class PolynomialLrConfig(_DecayConfig):
    """From `initial_learning_rate` to `end_learning_rate` in `decay_steps`, by a power of the remaining share."""

    end_learning_rate: float = 0.0
    power: float = 1.0
    cycle: bool = False


@dataclasses.dataclass
class CosineLrConfig(_DecayConfig):
    """Half a cosine from `initial_learning_rate` down to `alpha * initial_learning_rate` in `decay_steps`."""

    alpha: float = 0.0


@dataclasses.dataclass
class LearningRateConfig(OneOfConfig):
    """The choice of a learning-rate schedule."""

    constant: ConstantLrConfig = dataclasses.field(default_factory=ConstantLrConfig)
    stepwise: StepwiseLrConfig = dataclasses.field(default_factory=StepwiseLrConfig)
    exponential: ExponentialLrConfig = dataclasses.field(default_factory=ExponentialLrConfig)
    polynomial: PolynomialLrConfig = dataclasses.field(default_factory=PolynomialLrConfig)
    cosine: CosineLrConfig = dataclasses.field(default_factory=CosineLrConfig)


@dataclasses.dataclass
class _WarmupStepsConfig(Config):
    warmup_steps: int | None = None

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem unless the number of steps is positive."""
        if self.warmup_steps is None or self.warmup_steps <= 0:
            yield Problem("warmup_steps", f"must be above 0; received {self.warmup_steps}.")


@dataclasses.dataclass
class LinearWarmupConfig(_WarmupStepsConfig):
    """A straight line from `warmup_learning_rate` at step 0 to the schedule's value at step `warmup_steps`."""

    warmup_learning_rate: float = 0.0


@dataclasses.dataclass
class PolynomialWarmupConfig(_WarmupStepsConfig):
    """`(step / warmup_steps) ** power` of the schedule's value at step `warmup_steps`."""

    power: float = 1.0


@dataclasses.dataclass
class WarmupConfig(OneOfConfig):
    """The choice of a warmup; none by default."""

    linear: LinearWarmupConfig = dataclasses.field(default_factory=LinearWarmupConfig)
    polynomial: PolynomialWarmupConfig = dataclasses.field(default_factory=PolynomialWarmupConfig)


@dataclasses.dataclass
class EmaConfig(Config):
    """An exponential moving average of the trainable weights, used for evaluation.

    Attributes:
        average_decay: Share of the old average in the new one, each step.
    """

    average_decay: float = 0.99

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem unless the decay is a share."""
        if not 0 <= self.average_decay < 1:
            yield Problem("average_decay", f"must be at least 0 and below 1; received {self.average_decay}.")


@dataclasses.dataclass
class OptimizationConfig(Config):
    """Everything an optimizer is made from.

    ```yaml
    optimizer: {type: sgd, sgd: {momentum: 0.9, global_clipnorm: 1.0}}
    learning_rate: {type: cosine, cosine: {initial_learning_rate: 0.1, decay_steps: 10000}}
    warmup: {type: linear, linear: {warmup_steps: 500}}
    ema: {average_decay: 0.999}
    ```
    """

    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    ema: EmaConfig | None = None
    learning_rate: LearningRateConfig = dataclasses.field(default_factory=LearningRateConfig)
    warmup: WarmupConfig = dataclasses.field(default_factory=WarmupConfig)
