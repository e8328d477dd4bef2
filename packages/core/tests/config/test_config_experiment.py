"""The options of a run: defaults, rules, refusals of what is not honoured, modes, registries."""

import dataclasses
import importlib.metadata
import re

import pytest
from assay.core.config import (
    MODES,
    Config,
    ConfigError,
    DataConfig,
    ExperimentConfig,
    OptimizationConfig,
    RuntimeConfig,
    TaskConfig,
    TrainerConfig,
    get_exp_config,
    get_task,
    register_config_factory,
    register_task_cls,
    registered_experiments,
    registry,
)


@dataclasses.dataclass
class RegistryTaskConfig(TaskConfig):
    pass


@dataclasses.dataclass
class DerivedTaskConfig(RegistryTaskConfig):
    pass


@dataclasses.dataclass
class UnregisteredTaskConfig(TaskConfig):
    pass


@pytest.fixture
def clean_registries(monkeypatch):
    monkeypatch.setattr(registry, "_factories", {})
    monkeypatch.setattr(registry, "_task_classes", {})
    monkeypatch.setattr(registry, "_plugins", {})


def problems_of(config, mode=None):
    with pytest.raises(ConfigError) as caught:
        config.validate(mode) if mode else config.validate()
    return [str(problem) for problem in caught.value.problems]


class TestDefaults:
    def test_a_default_experiment_is_valid(self):
        ExperimentConfig().validate()

    def test_the_loop_has_the_defaults_that_users_know(self):
        defaults = TrainerConfig().as_dict()
        defaults.pop("optimizer_config")

        assert defaults == {
            "train_steps": 0,
            "validation_steps": -1,
            "validation_interval": 1000,
            "steps_per_loop": 1000,
            "summary_interval": 1000,
            "checkpoint_interval": 1000,
            "max_to_keep": 5,
            "continuous_eval_timeout": 3600,
            "train_tf_while_loop": True,
            "train_tf_function": True,
            "eval_tf_function": True,
            "eval_tf_while_loop": False,
            "best_checkpoint_export_subdir": "",
            "best_checkpoint_eval_metric": "",
            "best_checkpoint_metric_comp": "higher",
            "loss_upper_bound": 1e6,
            "recovery_begin_steps": 0,
            "recovery_max_trials": 0,
            "validation_summary_subdir": "validation",
            "preemption_on_demand_checkpoint": True,
            "checkpoint_train_iterator": True,
        }

    @pytest.mark.parametrize(
        ("is_training", "drop_remainder", "drops"),
        [(True, None, True), (False, None, False), (None, None, False), (True, False, False), (False, True, True)],
    )
    def test_evaluation_keeps_its_last_batch_unless_told_otherwise(self, is_training, drop_remainder, drops):
        assert DataConfig(is_training=is_training, drop_remainder=drop_remainder).drops_remainder is drops

    @pytest.mark.parametrize("cls", [DataConfig, TaskConfig, TrainerConfig, RuntimeConfig])
    def test_every_option_is_described(self, cls):
        for field in dataclasses.fields(cls):
            assert re.search(rf"^\s+{field.name}: ", cls.__doc__, re.MULTILINE), field.name


class TestRules:
    @pytest.mark.parametrize(
        ("config", "problem"),
        [
            (TrainerConfig(steps_per_loop=0), "steps_per_loop: must be above 0; received 0."),
            (TrainerConfig(max_to_keep=0), "max_to_keep: must be above 0; received 0."),
            (TrainerConfig(train_steps=-1), "train_steps: must not be negative; received -1."),
            (TrainerConfig(validation_steps=0), "validation_steps: must be above 0, or -1 for all; received 0."),
            (
                TrainerConfig(train_tf_function=False),
                "train_tf_while_loop: needs `train_tf_function`; set both to false to run train eagerly.",
            ),
            (
                TrainerConfig(best_checkpoint_export_subdir="best"),
                (
                    "`best_checkpoint_export_subdir` and `best_checkpoint_eval_metric` go together; "
                    "received 'best' and ''."
                ),
            ),
            (TrainerConfig(loss_upper_bound=0.0), "loss_upper_bound: must be above 0; received 0.0."),
            (
                RuntimeConfig(distribution_strategy="miror"),
                (
                    "distribution_strategy: must be one of off, one_device, mirrored, multi_worker_mirrored, "
                    "parameter_server, tpu; received 'miror'."
                ),
            ),
            (RuntimeConfig(num_gpus=1, num_cpu_devices=2), "num_cpu_devices: has no effect, because `num_gpus` is 1."),
            (
                RuntimeConfig(distribution_strategy="off", num_cpu_devices=2),
                "num_cpu_devices: is for 'mirrored'; the strategy is 'off'.",
            ),
            (RuntimeConfig(tpu="local"), "tpu: has no effect, because `distribution_strategy` is 'mirrored'."),
            (
                RuntimeConfig(loss_scale="dynamic", mixed_precision_dtype="bfloat16"),
                "loss_scale: is for float16 only; `mixed_precision_dtype` is 'bfloat16'.",
            ),
            (
                RuntimeConfig(loss_scale=-2.0, mixed_precision_dtype="float16"),
                "loss_scale: must be above 0; received -2.0.",
            ),
            (
                RuntimeConfig(enable_xla=True, run_eagerly=True),
                "enable_xla: has no effect, because `run_eagerly` is true.",
            ),
            (RuntimeConfig(num_packs=2), "num_packs: has no effect, because there is no `all_reduce_alg`."),
            (DataConfig(), "is_training: must be true or false."),
            (DataConfig(is_training=True, input_path="x"), "global_batch_size: must be above 0; received 0."),
            (DataConfig(is_training=True, shuffle_buffer_size=0), "shuffle_buffer_size: must be above 0; received 0."),
            (
                DataConfig(is_training=True, input_path={"a": "x"}, weights={"b": 1.0}, global_batch_size=1),
                "weights: must name the sources of `input_path` (['a']); received {'b': 1.0}.",
            ),
            (
                OptimizationConfig.from_dict({"ema": {"average_decay": 1}}),
                "ema.average_decay: must be at least 0 and below 1; received 1.0.",
            ),
        ],
    )
    def test_a_broken_rule_is_named(self, config, problem):
        assert problems_of(config) == [problem]

    def test_intervals_need_not_fit_one_another(self):
        TrainerConfig(train_steps=5000, steps_per_loop=300, summary_interval=70, checkpoint_interval=110).validate()

    @pytest.mark.parametrize("name", ["OFF", "Mirrored", "TPU"])
    def test_strategy_names_do_not_depend_on_case(self, name):
        RuntimeConfig(distribution_strategy=name).validate()


class TestModes:
    @pytest.mark.parametrize("mode", MODES)
    def test_a_complete_configuration_suits_every_mode(self, mode):
        ExperimentConfig(trainer=TrainerConfig(train_steps=1)).validate(mode)

    @pytest.mark.parametrize("mode", ["train", "train_and_eval", "train_and_post_eval"])
    def test_training_needs_steps(self, mode):
        assert problems_of(ExperimentConfig(), mode) == [
            f"trainer.train_steps: mode {mode} needs a number of steps; received 0."
        ]

    def test_training_data_must_not_run_out(self):
        params = ExperimentConfig(trainer=TrainerConfig(train_steps=1))
        params.task.train_data.is_training = False

        assert problems_of(params, "train") == [
            "task.train_data.is_training: is false in mode train: training data that is not repeated runs out."
        ]

    def test_evaluation_data_must_end_unless_steps_are_given(self):
        params = ExperimentConfig()
        params.task.validation_data.is_training = True

        assert "data that is repeated has no end" in problems_of(params, "eval")[0]
        params.trainer.validation_steps = 3
        params.validate("eval")

    def test_a_task_may_do_without_data_options(self):
        params = ExperimentConfig(task=TaskConfig(train_data=None, validation_data=None))
        params.trainer.train_steps = 1

        params.validate("train_and_eval")

    def test_unknown_mode_names_the_modes(self):
        assert problems_of(ExperimentConfig(), "train_and_validate") == [
            (
                "`mode` must be one of train, eval, train_and_eval, continuous_eval, train_and_post_eval; "
                "received 'train_and_validate'."
            )
        ]

    def test_types_are_reported_before_the_needs_of_a_mode(self):
        params = ExperimentConfig()
        params.trainer.train_steps = "many"

        assert problems_of(params, "train") == ["trainer.train_steps: expected int; received 'many' (str)."]


class TestOptionsThatAreNotHonoured:
    @pytest.mark.parametrize(
        "path",
        [
            "trainer.allow_tpu_summary",
            "runtime.worker_hosts",
            "runtime.task_index",
            "runtime.gpu_thread_mode",
            "runtime.batchnorm_spatial_persistent",
            "task.train_data.tfds_name",
            "task.train_data.tf_data_service_address",
            "task.train_data.enable_tf_data_service",
            "task.differential_privacy_config",
            "task.allow_image_summary",
            "trainer.optimizer_config.ema.start_step",
            "trainer.optimizer_config.optimizer.sgd.decay",
            "trainer.optimizer_config.optimizer.sgd.jit_compile",
            "pruning",
            "gin_file",
        ],
    )
    def test_it_is_refused_with_a_sentence(self, path):
        params = ExperimentConfig()
        params.override({"trainer": {"optimizer_config": {"ema": {}, "optimizer": {"type": "sgd"}}}})
        mapping = 1
        for key in reversed(path.split(".")):
            mapping = {key: mapping}

        with pytest.raises(ConfigError) as caught:
            params.override(mapping)

        key = path.rpartition(".")[2]
        assert str(caught.value).startswith(f"{path}: no such option. Model Garden's `{key}` does not exist here. ")

    def test_a_task_of_ones_own_may_have_it(self):
        @dataclasses.dataclass
        class WithTfds(DataConfig):
            tfds_name: str = ""

        assert WithTfds.from_dict({"tfds_name": "mnist"}).tfds_name == "mnist"


@pytest.mark.usefixtures("clean_registries")
class TestRegistries:
    def test_an_experiment_is_made_anew_each_time(self):
        @register_config_factory("group/mine")
        def mine():
            return ExperimentConfig(trainer=TrainerConfig(train_steps=3))

        first = get_exp_config("group/mine")
        first.trainer.train_steps = 4

        assert get_exp_config("group/mine").trainer.train_steps == 3
        assert registered_experiments() == ["group/mine"]

    def test_unknown_experiment_names_the_nearest_and_all(self):
        register_config_factory("mine")(ExperimentConfig)
        register_config_factory("other")(lambda: ExperimentConfig())

        with pytest.raises(ConfigError, match=r"no experiment 'mien'. Did you mean 'mine'\? Experiments: mine, other"):
            get_exp_config("mien")

    def test_a_second_function_of_a_name_is_refused(self):
        register_config_factory("mine")(ExperimentConfig)

        with pytest.raises(ValueError, match=r"experiment 'mine' is registered already by .*ExperimentConfig; "):
            register_config_factory("mine")(lambda: ExperimentConfig())

    def test_importing_a_module_again_replaces_its_own(self):
        def factory(steps):
            def mine():
                return ExperimentConfig(trainer=TrainerConfig(train_steps=steps))

            return mine

        register_config_factory("mine")(factory(1))
        register_config_factory("mine")(factory(2))

        assert get_exp_config("mine").trainer.train_steps == 2

    def test_a_factory_of_something_else_is_named(self):
        register_config_factory("mine")(lambda: {"task": {}})

        with pytest.raises(ConfigError, match="experiment 'mine' must return an ExperimentConfig; it returned a dict"):
            get_exp_config("mine")

    def test_a_task_is_made_with_its_config(self):
        @register_task_cls(RegistryTaskConfig)
        class MyTask:
            def __init__(self, params, *, logging_dir=None, name=None):
                self.arguments = (params, logging_dir, name)

        config = RegistryTaskConfig(name="from config")

        assert get_task(config).arguments == (config, None, "from config")
        assert get_task(config, logging_dir="d", name="n").arguments == (config, "d", "n")

    def test_a_derived_config_uses_the_task_of_its_base_until_it_has_one(self):
        register_task_cls(RegistryTaskConfig)(lambda params, **options: "base")
        assert get_task(DerivedTaskConfig()) == "base"

        register_task_cls(DerivedTaskConfig)(lambda params, **options: "derived")
        assert get_task(DerivedTaskConfig()) == "derived"

    def test_a_config_without_task_says_how_to_register_one(self):
        register_task_cls(RegistryTaskConfig)(lambda params, **options: None)

        with pytest.raises(
            ConfigError,
            match=r"no task is registered for UnregisteredTaskConfig. Decorate the task class with "
            r"`@register_task_cls\(UnregisteredTaskConfig\)` .* Registered: RegistryTaskConfig",
        ):
            get_task(UnregisteredTaskConfig())

    def test_installed_packages_are_asked_and_a_broken_one_is_named(self, monkeypatch):
        class EntryPoint:
            def __init__(self, name, load):
                self.name = name
                self.load = load

        def broken():
            raise ImportError("no module named x")

        def entry_points(group):
            assert group == "assay.experiments"
            return [
                EntryPoint("good", lambda: register_config_factory("from_package")(ExperimentConfig)),
                EntryPoint("bad", broken),
            ]

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
        monkeypatch.setattr(registry, "_plugins", None)

        assert registered_experiments() == ["from_package"]
        with pytest.raises(ConfigError, match="'bad' could not be imported: ImportError: no module named x"):
            get_exp_config("absent")


def test_front_door_offers_config_without_starting_tensorflow():
    import subprocess
    import sys

    program = "import assay.core.config, sys; print('tensorflow' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert output.strip() == "False"
    assert issubclass(ExperimentConfig, Config)
