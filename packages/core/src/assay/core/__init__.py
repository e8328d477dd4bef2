"""The training loop: a `Task` says what to learn, a `Trainer` runs its steps, a `Controller` decides what happens when.

```python
from assay.core import Task, get_exp_config, run_experiment
```

Names are imported on first use, so that a command can say what is wrong before TensorFlow starts.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.core.checkpoints import CheckpointMismatchError as CheckpointMismatchError
    from assay.core.divergence import DivergedError as DivergedError
    from assay.core.loops import StandardEvaluator as StandardEvaluator
    from assay.core.loops import StandardEvaluatorOptions as StandardEvaluatorOptions
    from assay.core.loops import StandardTrainer as StandardTrainer
    from assay.core.loops import StandardTrainerOptions as StandardTrainerOptions
    from assay.core.runner import AbstractEvaluator as AbstractEvaluator
    from assay.core.runner import AbstractTrainer as AbstractTrainer
    from assay.core.runner import create_global_step as create_global_step
    from assay.core.task import Task as Task
    from assay.core.trainer import Trainer as Trainer

# Each name above, and the module it comes from. A test holds the two lists together.
_HOME = {
    "AbstractEvaluator": "runner",
    "AbstractTrainer": "runner",
    "CheckpointMismatchError": "checkpoints",
    "DivergedError": "divergence",
    "StandardEvaluator": "loops",
    "StandardEvaluatorOptions": "loops",
    "StandardTrainer": "loops",
    "StandardTrainerOptions": "loops",
    "Task": "task",
    "Trainer": "trainer",
    "create_global_step": "runner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
