"""Tasks as other people write them.

`SOUND` ones may be blamed by no rule: variations of the suite's own specimens, and some that share no code with them.
`CASES` share no code with the suite at all, are right or wrong in one thing that people get wrong, and have a verdict
that was written before the suite saw them.
"""

from conformance.tests.subjects.tasks import (
    dense,
    detection,
    from_scratch,
    images,
    models,
    precision,
    pretraining,
    steps,
    tabular,
    text,
)

SOUND = [*from_scratch.SUBJECTS, *models.SUBJECTS, *steps.SUBJECTS]
SOUND_ON_ONE_REPLICA = steps.ON_ONE_REPLICA

CASES = [
    *tabular.CASES,
    *images.CASES,
    *text.CASES,
    *dense.CASES,
    *detection.CASES,
    *pretraining.CASES,
    *precision.CASES,
]
