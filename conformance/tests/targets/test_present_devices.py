"""The path of a device that is here, with CPUs that pretend to be it: what is proven is the path, not the device."""

import pytest
import tensorflow as tf
from assay.conformance.context import Context
from assay.conformance.harness import device_types, strategies, tpu_devices
from assay.conformance.harness.tasks.persistence import resuming
from assay.conformance.model import Evidence, Mode, Outcome, Target
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.specimens import CROSS_ENTROPY, HIT_RATE, HUBER_LOSS, SOUND_TASK, SoundHuber
from assay.conformance.targets import presence
from assay.conformance.targets.carrying_out import modes_of

pytestmark = pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU here")


@pytest.fixture
def cpus_pretend(monkeypatch):
    """Let the CPU's devices be taken for those of every target."""
    for module in (device_types, strategies):
        monkeypatch.setattr(module, "device_type", lambda target: "CPU")

    def mirrored(replicas):
        return strategies.strategy_for(Target.CPU, Mode.REPLICAS)

    for module in (strategies, presence):
        monkeypatch.setattr(module, "tpu_strategy", mirrored)

    def in_this_process(function, target, doing, **arguments):  # in another one nothing pretends
        return function(**arguments)

    monkeypatch.setattr(resuming, "run_in_new_process", in_this_process)


@pytest.mark.parametrize("target", [Target.GPU, Target.TPU])
@pytest.mark.parametrize(
    ("rule", "subject", "mode"),
    [
        ("L302", CROSS_ENTROPY, Mode.EAGER),
        ("L402", CROSS_ENTROPY, Mode.XLA),
        ("L501", CROSS_ENTROPY, Mode.REPLICAS),
        ("K201", HIT_RATE, Mode.EAGER),
        ("K501", HIT_RATE, Mode.REPLICAS),
        ("T301", SOUND_TASK, Mode.MIXED_PRECISION),
        ("T402", SOUND_TASK, Mode.XLA),
        ("T501", SOUND_TASK, Mode.REPLICAS),
        ("T601", SOUND_TASK, Mode.GRAPH),
        ("T601", SOUND_TASK, Mode.REPLICAS),
    ],
)
def test_rule_runs_on_a_device_that_is_here(cpus_pretend, target, rule, subject, mode):
    entry = find_rule(rule)

    found = run_rule(entry, Session(subject), kind=entry.rule.kind, target=target, mode=mode)

    assert (found.outcome, found.evidence) == (Outcome.PASS, Evidence.EXECUTED), found.message
    assert modes_of(entry.rule, target) == entry.rule.modes


@pytest.mark.parametrize("mode", [Mode.EAGER, Mode.MIXED_PRECISION])
def test_loss_that_is_not_finite_is_looked_for_on_a_gpu_that_is_here(cpus_pretend, mode):
    entry = find_rule("T603")

    found = run_rule(entry, Session(SOUND_TASK), kind=entry.rule.kind, target=Target.GPU, mode=mode)

    assert (found.outcome, found.evidence) == (Outcome.PASS, Evidence.EXECUTED), found.message


def test_run_on_a_tpu_is_resumed_by_the_process_that_has_it(cpus_pretend, monkeypatch):
    def another_process(*args, **kwargs):
        raise AssertionError("a TPU belongs to one process at a time")

    monkeypatch.setattr(resuming, "run_in_new_process", another_process)
    entry = find_rule("T601")

    found = run_rule(entry, Session(entry.mutants[-1]), kind=entry.rule.kind, target=Target.TPU, mode=Mode.GRAPH)

    assert (found.outcome, found.evidence) == (Outcome.FAIL, Evidence.EXECUTED), found.message
    assert "after a checkpoint at step 2 and a restore in a new build, with the same variables" in found.message


def test_nothing_moves_to_the_host_while_the_subject_runs_on_an_accelerator(cpus_pretend):
    seen = []

    class Looks(SoundHuber):
        def call(self, y_true, y_pred):
            seen.append(tf.config.get_soft_device_placement())
            return super().call(y_true, y_pred)

    before = tf.config.get_soft_device_placement()
    subject = HUBER_LOSS.replace(factory=Looks, name="looks")
    run_rule(find_rule("L302"), Session(subject), kind=subject.kind, target=Target.GPU, mode=Mode.EAGER)

    assert False in seen
    assert tf.config.get_soft_device_placement() == before


def test_tolerances_are_those_of_the_device():
    on_gpu = Context(rule_id="L302", session=Session(CROSS_ENTROPY), target=Target.GPU)

    assert (
        on_gpu.tolerance("loss").relative
        > Context(rule_id="L302", session=Session(CROSS_ENTROPY)).tolerance("loss").relative
    )


def test_tpu_is_reached_through_the_cluster_resolver_with_two_of_its_devices(monkeypatch):
    asked = {}

    class Resolver:
        @staticmethod
        def connect(tpu):
            asked["tpu"] = tpu
            return "resolver"

    def build(topology, num_replicas):
        asked["assignment"] = (topology, num_replicas)
        return "assignment"

    monkeypatch.setenv("TPU_NAME", "mine")
    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", Resolver)
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", lambda resolver: f"topology of {resolver}")
    monkeypatch.setattr(tf.tpu.experimental.DeviceAssignment, "build", build)
    monkeypatch.setattr(
        tf.distribute, "TPUStrategy", lambda resolver, experimental_device_assignment: experimental_device_assignment
    )
    tpu_devices.tpu_strategy.cache_clear()

    try:
        assert tpu_devices.tpu_strategy(2) == "assignment"
    finally:
        tpu_devices.tpu_strategy.cache_clear()
    assert asked == {"tpu": "mine", "assignment": ("topology of resolver", 2)}
