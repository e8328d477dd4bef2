"""Tasks as other people write them, all of them sound: no rule may blame one."""

from conformance.tests.subjects.tasks import from_scratch, models, steps

SOUND = [*from_scratch.SUBJECTS, *models.SUBJECTS, *steps.SUBJECTS]
SOUND_ON_ONE_REPLICA = steps.ON_ONE_REPLICA
