"""Configs as a tree: overriding, types, rules, the lock, copies."""

import copy
import dataclasses
import logging
import pickle
from typing import Annotated, Any, Literal

import pydantic
import pytest
from assay.core.config import Config, ConfigError, ExperimentConfig, OneOfConfig, Problem, TaskConfig
from hypothesis import given
from hypothesis import strategies as st


@dataclasses.dataclass
class LayerConfig(Config):
    units: int = 4
    activation: str | None = None


@dataclasses.dataclass
class ModelConfig(Config):
    num_classes: int = 10
    dropout: float = 0.0
    bias: bool = True
    size: tuple[int, int] = (8, 8)
    kind: Literal["plain", "wide"] = "plain"
    depth: Annotated[int, pydantic.Field(gt=0)] = 2
    layers: list[LayerConfig] = dataclasses.field(default_factory=list)
    heads: dict[str, LayerConfig] = dataclasses.field(default_factory=dict)
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    extra: LayerConfig | None = None

    def problems(self):
        if self.kind == "wide" and self.num_classes > 100:
            yield "`num_classes` must be at most 100 for a wide model."
        if self.dropout >= 1:
            yield Problem("dropout", f"must be below 1; received {self.dropout}.")


@dataclasses.dataclass
class MyTaskConfig(TaskConfig):
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)


@dataclasses.dataclass
class BackboneConfig(OneOfConfig):
    type: str | None = "small"
    small: LayerConfig = dataclasses.field(default_factory=LayerConfig)
    large: ModelConfig = dataclasses.field(default_factory=ModelConfig)


def overridden(mapping, config=None):
    config = config or ModelConfig()
    config.override(mapping)
    return config


def refused(mapping, config=None):
    """The error that an override raises; the config must be as before."""
    config = config or ModelConfig()
    before = copy.deepcopy(config)
    with pytest.raises(ConfigError) as caught:
        config.override(mapping)
    assert config == before
    return str(caught.value)


class TestOverriding:
    def test_nested_values_are_merged_and_the_rest_stays(self):
        config = overridden({"model": {"num_classes": 3}}, MyTaskConfig())

        assert config == MyTaskConfig(model=ModelConfig(num_classes=3))

    def test_a_field_keeps_the_subclass_that_it_holds(self):
        params = overridden({"task": {"model": {"num_classes": 3}}}, ExperimentConfig(task=MyTaskConfig()))

        assert type(params.task) is MyTaskConfig
        assert params.task.model.num_classes == 3

    def test_an_integer_is_a_float_where_one_is_declared(self):
        value = overridden({"dropout": 0}).dropout

        assert type(value) is float

    def test_a_list_is_a_tuple_where_one_is_declared(self):
        assert overridden({"size": [3, 5]}).size == (3, 5)

    def test_a_list_of_configs_is_made_from_mappings(self):
        config = overridden({"layers": [{"units": 1}, {"activation": "relu"}]})

        assert config.layers == [LayerConfig(units=1), LayerConfig(activation="relu")]

    def test_a_dict_of_configs_is_merged_by_name(self):
        config = overridden({"heads": {"a": {"units": 1}}})
        config.override({"heads": {"a": {"activation": "relu"}, "b": {}}})

        assert config.heads == {"a": LayerConfig(units=1, activation="relu"), "b": LayerConfig()}

    def test_a_plain_dict_is_merged_by_key(self):
        config = overridden({"options": {"a": {"x": 1}, "b": 2}})
        config.override({"options": {"a": {"y": 3}}})

        assert config.options == {"a": {"x": 1, "y": 3}, "b": 2}

    def test_an_absent_config_is_made_and_taken_away(self):
        config = overridden({"extra": {"units": 7}})
        assert config.extra == LayerConfig(units=7)

        config.override({"extra": None})
        assert config.extra is None

    def test_containers_are_copied(self):
        given_options = {"a": [1]}
        config = overridden({"options": given_options})

        given_options["a"].append(2)

        assert config.replace().options == config.as_dict()["options"]
        copied = config.as_dict()
        copied["options"]["b"] = 1
        assert "b" not in config.options

    def test_unknown_keys_may_be_left_out_and_are_logged(self, caplog):
        config = MyTaskConfig()

        with caplog.at_level(logging.WARNING):
            config.override({"model": {"num_classes": 3, "old": 1}, "older": {}}, strict=False)

        assert config.model.num_classes == 3
        assert "left out model.old: ModelConfig has no such option" in caplog.text
        assert "left out older" in caplog.text

    def test_from_dict_begins_with_the_defaults(self):
        assert ModelConfig.from_dict({"depth": 3}) == ModelConfig(depth=3)

    def test_a_mapping_given_to_a_constructor_is_decoded(self):
        assert MyTaskConfig(model={"num_classes": 3}) == MyTaskConfig(model=ModelConfig(num_classes=3))


class TestRefusals:
    def test_unknown_key_names_path_nearest_key_and_all_keys(self):
        message = refused({"model": {"num_clases": 3}}, MyTaskConfig())

        assert message == (
            "model.num_clases: no such option. Did you mean `num_classes`? Options of ModelConfig: num_classes, "
            "dropout, bias, size, kind, depth, layers, heads, options, extra."
        )

    @pytest.mark.parametrize(
        ("mapping", "message"),
        [
            ({"num_classes": "3"}, "num_classes: expected int; received '3' (str). It is quoted"),
            ({"num_classes": 3.0}, "expected int; received 3.0 (float). An integer is written without point"),
            ({"num_classes": True}, "expected int; received True (bool)"),
            ({"num_classes": None}, "expected int; received null"),
            ({"dropout": "0.5"}, "expected float; received '0.5' (str)"),
            ({"dropout": True}, "expected float; received True (bool)"),
            ({"bias": 1}, "expected bool; received 1 (int)"),
            ({"bias": "yes"}, "expected bool; received 'yes' (str). A boolean is written true or false"),
            ({"kind": "thin"}, "expected 'plain' | 'wide'; received 'thin' (str)"),
            ({"size": [1, 2, 3]}, "expected tuple[int, int]; received [1, 2, 3] (list)"),
            ({"size": [1, "x"]}, "Item 1: received 'x' (str)"),
            ({"depth": 0}, "expected int; received 0 (int). Input should be greater than 0"),
            ({"layers": [{"unit": 1}]}, "layers[0].unit: no such option. Did you mean `units`?"),
            ({"layers": 3}, "layers: expected list[LayerConfig]; received 3 (int)"),
            ({"heads": {"a": {"units": "x"}}}, "heads.a.units: expected int; received 'x' (str)"),
            ({"heads": {"a": 1}}, "heads.a: expected the options of LayerConfig"),
            ({"extra": 3}, "extra: expected LayerConfig | null; received 3 (int)"),
            ({"layers": [{"activation": False}]}, "received False (bool). Some YAML readers"),
            ({3: 4}, "3: no such option"),
        ],
    )
    def test_wrong_value_names_path_type_and_value(self, mapping, message):
        assert message in refused(mapping)

    def test_a_value_in_place_of_a_config_says_what_is_wanted(self):
        message = refused({"model": 3}, MyTaskConfig())

        assert message == "model: expected the options of ModelConfig, one `key: value` each; received 3 (int)."

    def test_every_problem_of_an_override_is_reported(self):
        message = refused({"model": {"a": 1, "bias": 2, "layers": [{"units": "x"}]}, "b": 3}, MyTaskConfig())

        assert message.startswith("4 problems:")
        for path in ("model.a:", "model.bias:", "model.layers[0].units:", "b:"):
            assert f"\n  {path}" in message

    def test_config_of_another_class_is_refused(self):
        assert "model: expected ModelConfig; received a LayerConfig" in refused(
            {"model": LayerConfig()}, MyTaskConfig()
        )

    @given(st.one_of(st.text(), st.booleans(), st.none(), st.floats(), st.lists(st.integers()), st.binary()))
    def test_nothing_but_an_integer_becomes_an_integer(self, value):
        with pytest.raises(ConfigError, match="expected int"):
            ModelConfig().override({"num_classes": value})

    @given(st.one_of(st.text(), st.booleans(), st.none(), st.lists(st.floats())))
    def test_nothing_but_a_number_becomes_a_float(self, value):
        with pytest.raises(ConfigError, match="expected float"):
            ModelConfig().override({"dropout": value})


class TestAttributes:
    def test_a_mistyped_attribute_is_refused(self):
        with pytest.raises(ConfigError, match=r"num_clases: no such option. Did you mean `num_classes`\?"):
            ModelConfig().num_clases = 3

    def test_a_property_of_a_subclass_can_be_set(self):
        @dataclasses.dataclass
        class WithProperty(ModelConfig):
            @property
            def twice(self):
                return 2 * self.num_classes

            @twice.setter
            def twice(self, value):
                self.num_classes = value // 2

        config = WithProperty()
        config.twice = 8

        assert config.num_classes == 4

    def test_a_class_without_the_decorator_is_refused(self):
        class Forgotten(ModelConfig):
            width: int = 3

        with pytest.raises(ConfigError, match=r"Forgotten must be decorated with `@dataclasses.dataclass`"):
            Forgotten()

    def test_a_field_without_default_is_refused(self):
        @dataclasses.dataclass
        class Bare(Config):
            width: int

        with pytest.raises(ConfigError, match="every field of a config needs a default; Bare has none for width"):
            Bare(width=3)

    def test_an_annotation_that_cannot_be_resolved_is_named(self):
        @dataclasses.dataclass
        class Postponed(Config):
            other: "NotThere" = None  # noqa: F821

        with pytest.raises(ConfigError, match="the types of Postponed cannot be resolved: name 'NotThere'"):
            Postponed()


class TestValidation:
    def test_types_set_from_python_are_checked(self):
        config = MyTaskConfig()
        config.model.num_classes = "3"
        config.model.layers = [LayerConfig(units="x")]

        with pytest.raises(ConfigError) as caught:
            config.validate()

        assert {problem.path for problem in caught.value.problems} == {"model.num_classes", "model.layers[0].units"}

    def test_rules_are_collected_over_the_tree_with_their_paths(self):
        config = MyTaskConfig(model=ModelConfig(num_classes=200, kind="wide", dropout=1.0))

        with pytest.raises(ConfigError) as caught:
            config.validate()

        assert caught.value.problems == (
            Problem("model", "`num_classes` must be at most 100 for a wide model."),
            Problem("model.dropout", "must be below 1; received 1.0."),
        )

    def test_rules_of_configs_in_lists_and_dicts_count(self):
        config = MyTaskConfig()
        config.model.options = {}
        params = ListOfModels(models=[ModelConfig(), ModelConfig(dropout=2.0)], named={"a": ModelConfig(dropout=3.0)})

        with pytest.raises(ConfigError) as caught:
            params.validate()

        assert [problem.path for problem in caught.value.problems] == ["models[1].dropout", "named.a.dropout"]


@dataclasses.dataclass
class ListOfModels(Config):
    models: list[ModelConfig] = dataclasses.field(default_factory=list)
    named: dict[str, ModelConfig] = dataclasses.field(default_factory=dict)


class TestLock:
    def test_nothing_in_a_locked_tree_can_be_set(self):
        config = ListOfModels(models=[ModelConfig()])
        config.lock()
        config.lock()

        with pytest.raises(ConfigError, match="locked and cannot have its `models` set"):
            config.models = []
        with pytest.raises(ConfigError, match="locked and cannot have its `dropout` set"):
            config.models[0].dropout = 0.5
        with pytest.raises(ConfigError, match="locked and cannot be overridden"):
            config.override({})
        assert config.is_locked

    def test_an_override_that_meets_a_locked_part_changes_nothing(self):
        config = MyTaskConfig()
        config.model.lock()

        with pytest.raises(ConfigError, match=r"model: is locked"):
            config.override({"name": "x", "model": {"depth": 3}})
        assert config.name is None

    def test_replace_gives_an_unlocked_changed_copy(self):
        config = MyTaskConfig()
        config.lock()

        changed = config.replace(name="x", model={"depth": 5})
        changed.model.dropout = 0.5

        assert (config.name, config.model.depth, config.model.dropout) == (None, 2, 0.0)
        assert (changed.name, changed.model.depth, changed.model.num_classes) == ("x", 5, 10)

    def test_replace_takes_a_config_and_leaves_it_alone(self):
        model = ModelConfig(depth=7)
        model.lock()

        changed = MyTaskConfig().replace(model=model)
        changed.model.depth = 8

        assert model.depth == 7

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda config: pickle.loads(pickle.dumps(config))])
    def test_copies_are_equal_and_as_locked(self, copied):
        config = MyTaskConfig(model=ModelConfig(layers=[LayerConfig()]))
        config.lock()

        other = copied(config)

        assert other == config
        assert other.is_locked
        assert other.model is not config.model

    def test_dataclasses_replace_works(self):
        config = MyTaskConfig()
        config.lock()

        assert dataclasses.replace(config, name="x").name == "x"


class TestOneOf:
    def test_get_returns_the_choice(self):
        assert BackboneConfig().get() == LayerConfig()
        assert overridden({"type": "large"}, BackboneConfig()).get() == ModelConfig()
        assert overridden({"type": None}, BackboneConfig()).get() is None

    def test_choice_and_its_options_are_overridden_together(self):
        config = overridden({"type": "large", "large": {"depth": 5}}, BackboneConfig())

        assert config.get().depth == 5

    def test_as_dict_holds_the_choice_only_and_reads_back(self):
        config = overridden({"type": "large", "large": {"depth": 5}}, BackboneConfig())

        values = config.as_dict()

        assert list(values) == ["type", "large"]
        assert overridden(values, BackboneConfig()) == config

    def test_unknown_choice_names_the_nearest_and_all(self):
        assert refused({"type": "larg"}, BackboneConfig()) == (
            "type: there is no 'larg'. Did you mean 'large'? Choices: small, large."
        )

    def test_options_of_what_is_not_chosen_are_refused(self):
        assert refused({"large": {"depth": 5}}, BackboneConfig()) == (
            "large: has no effect, because `type` is 'small'; set `type` to 'large' as well."
        )

    def test_rules_of_what_is_not_chosen_do_not_count(self):
        config = BackboneConfig(large=ModelConfig(dropout=2.0))
        config.validate()

        config.type = "large"
        with pytest.raises(ConfigError, match=r"large.dropout: must be below 1"):
            config.validate()

    def test_a_choice_set_from_python_is_validated(self):
        with pytest.raises(ConfigError, match="type: there is no 'huge'"):
            BackboneConfig(type="huge").validate()
