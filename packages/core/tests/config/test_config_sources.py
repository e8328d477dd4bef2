"""Files, overrides and defaults into one configuration, and params.yaml out of it."""

import dataclasses
import json
import math
import os
from typing import Any

import pytest
import yaml
from assay.core.config import (
    Config,
    ConfigError,
    ExperimentConfig,
    TaskConfig,
    parse_configuration,
    parse_override,
    to_yaml,
    write_params,
)
from assay.core.config.overrides import parse_pairs
from assay.core.config.reading import read_config_text, read_yaml
from hypothesis import given
from hypothesis import strategies as st


@dataclasses.dataclass
class SourcesTaskConfig(TaskConfig):
    depths: list[int] = dataclasses.field(default_factory=lambda: [1, 2, 3])
    scale: float = 1.0
    title: str = ""
    shapes: list[list[int]] = dataclasses.field(default_factory=list)
    anything: Any = None


def base():
    return ExperimentConfig(task=SourcesTaskConfig())


def write(tmp_path, text, name="config.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


class TestYaml:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1e-4", 1e-4),
            ("1E5", 1e5),
            ("-1.5e+3", -1500.0),
            ("1.", 1.0),
            (".5", 0.5),
            (".inf", math.inf),
            ("-.inf", -math.inf),
            ("010", 10),
            ("0x1f", 31),
            ("0o17", 15),
            ("1_000_000", 1_000_000),
            ("-3", -3),
            ("off", "off"),
            ("on", "on"),
            ("yes", "yes"),
            ("no", "no"),
            ("True", True),
            ("false", False),
            ("null", None),
            ("~", None),
            ("", None),
            ("1:30", "1:30"),
            ("2024-01-02", "2024-01-02"),
            ("1.2.3", "1.2.3"),
            ("e5", "e5"),
            ("'1e-4'", "1e-4"),
        ],
    )
    def test_a_plain_scalar_is_what_it_looks_like(self, text, value):
        read = read_yaml(text)

        assert read == value
        assert type(read) is type(value)

    def test_nan_is_a_number(self):
        assert math.isnan(read_yaml(".nan"))

    def test_anchors_and_merge_keys_work(self):
        text = "base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\n"

        assert read_yaml(text)["other"] == {"a": 1, "b": 3}

    def test_python_objects_are_not_made(self):
        with pytest.raises(ConfigError, match="not well-formed YAML: could not determine a constructor"):
            read_yaml("!!python/object/apply:os.getcwd []")

    def test_a_key_given_twice_is_refused_with_its_lines(self):
        with pytest.raises(ConfigError, match="a: is given twice, on lines 1 and 3"):
            read_yaml("a: 1\nb: 2\na: 3\n")

    def test_a_json_key_given_twice_is_refused(self):
        with pytest.raises(ConfigError, match="a: is given twice"):
            read_config_text('{"a": 1, "a": 2}', is_json=True)

    def test_bad_syntax_names_line_and_column(self):
        with pytest.raises(ConfigError, match=r"not well-formed YAML: .* \(line 2, column 4\)"):
            read_yaml("a: 1\nb: : 2\n")

    @pytest.mark.parametrize("text", ["- 1\n- 2\n", "word", "3"])
    def test_a_text_without_pairs_is_refused(self, text):
        with pytest.raises(ConfigError, match="must hold `key: value` pairs; it holds"):
            read_config_text(text)


class TestPairs:
    @pytest.mark.parametrize(
        ("text", "mapping"),
        [
            ("a=1", {"a": 1}),
            ("a.b=1,c.d=x", {"a": {"b": 1}, "c": {"d": "x"}}),
            ("a.b=1,a.c=2", {"a": {"b": 1, "c": 2}}),
            ("a = 1 , b = x y", {"a": 1, "b": "x y"}),
            ("a=[1,2],b=3", {"a": [1, 2], "b": 3}),
            ("a=[[1,2],[3]]", {"a": [[1, 2], [3]]}),
            ("a={x: 1, y: [2, 3]}", {"a": {"x": 1, "y": [2, 3]}}),
            ("a='x,y',b=\"z, 'w'\"", {"a": "x,y", "b": "z, 'w'"}),
            ("a='it''s, so',b=1", {"a": "it's, so", "b": 1}),
            ("a=it's,b=1", {"a": "it's", "b": 1}),
            ('a="x\\",y",b=1', {"a": 'x",y', "b": 1}),
            ("a=1e-4,b=off,c=true,d=null,e=None,f=", {"a": 1e-4, "b": "off", "c": True, "d": None, "e": None, "f": ""}),
            ("a='true',b='1'", {"a": "true", "b": "1"}),
            ("a=gs://bucket/x-*.tfrecord,b=/d/*.rec", {"a": "gs://bucket/x-*.tfrecord", "b": "/d/*.rec"}),
            ("a=*x,b=&y,c=%z,d=@w,e=!v,f=#u", {"a": "*x", "b": "&y", "c": "%z", "d": "@w", "e": "!v", "f": "#u"}),
            ("a=x=y", {"a": "x=y"}),
            ("a=1,", {"a": 1}),
            ("a[0]=1,a[2].b=3", {"a": {0: 1, 2: {"b": 3}}}),
            ("a[0][1]=1", {"a": {0: {1: 1}}}),
            ("a-b/c=1", {"a-b/c": 1}),
        ],
    )
    def test_pairs_are_parsed(self, text, mapping):
        assert parse_pairs(text) == mapping

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a=1,b", r"'b' is not a `key=value` pair. Write a list as \[a,b\], and quote"),
            ("a=1,,b=2", "'' is not a `key=value` pair"),
            ("a=1,=2", "'' is not a key such as"),
            ("a..b=1", "'a..b' is not a key"),
            ("a[x]=1", r"'a\[x\]' is not a key"),
            ("a=1,a=2", "'a' is given twice"),
            ("a=1,a.b=2", "'a.b' contradicts another pair"),
            ("a[0]=1,a.b=2", "'a.b' contradicts another pair"),
            ("a=[1,2", r"the value of 'a', \[1,2, is not well-formed YAML"),
        ],
    )
    def test_what_is_no_pair_is_refused(self, text, message):
        with pytest.raises(ConfigError, match=message):
            parse_pairs(text)

    @given(
        st.dictionaries(
            st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
                lambda inner: st.lists(inner, max_size=3),
                max_leaves=6,
            ),
            min_size=1,
            max_size=4,
        )
    )
    def test_json_values_survive(self, mapping):
        text = ",".join(f"x.{key}=[{json.dumps(value)}]" for key, value in mapping.items())

        assert parse_pairs(text) == {"x": {key: [value] for key, value in mapping.items()}}


class TestOverrideForms:
    @pytest.mark.parametrize(
        "text",
        [
            "trainer.train_steps=7,task.title=a=b: c",
            "{trainer: {train_steps: 7}, task: {title: 'a=b: c'}}",
            '{"trainer": {"train_steps": 7}, "task": {"title": "a=b: c"}}',
            "trainer:\n  train_steps: 7\ntask: {title: 'a=b: c'}\n",
        ],
    )
    def test_pairs_yaml_and_json_mean_the_same(self, text):
        assert parse_override(text).mapping == {"trainer": {"train_steps": 7}, "task": {"title": "a=b: c"}}

    def test_a_path_is_read(self, tmp_path):
        path = write(tmp_path, "trainer: {train_steps: 7}")

        override = parse_override(path)

        assert override.mapping == {"trainer": {"train_steps": 7}}
        assert override.path == path

    def test_a_file_that_is_not_there_is_named(self):
        with pytest.raises(ConfigError, match=r"--params_override absent.yaml: cannot be read: No such file"):
            parse_configuration(base(), params_override="absent.yaml")

    def test_anything_else_is_refused_with_the_forms(self):
        with pytest.raises(ConfigError, match=r"expected pairs such as `a.b=1,c.d=x`, a YAML .* received 'nonsense'"):
            parse_override("nonsense")

    @pytest.mark.parametrize("text", ["", "  "])
    def test_nothing_changes_nothing(self, text):
        assert parse_override(text).mapping == {}


class TestItems:
    @pytest.mark.parametrize(
        ("override", "depths"),
        [
            ("task.depths[1]=7", [1, 7, 3]),
            ("task.depths[3]=4,task.depths[4]=5", [1, 2, 3, 4, 5]),
            ("task.depths[0]=9,task.depths[2]=8", [9, 2, 8]),
        ],
    )
    def test_items_are_replaced_and_appended(self, override, depths):
        assert parse_configuration(base(), params_override=override).task.depths == depths

    def test_items_of_nested_lists_are_reached(self):
        params = parse_configuration(base(), params_override="task.shapes=[[1,2],[3]]", lock=False)
        params = parse_configuration(params, params_override="task.shapes[1][0]=5,task.shapes[0][1]=7")

        assert params.task.shapes == [[1, 7], [5]]

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("task.depths[5]=1", r"task.depths\[5\]: the list has 3 items; the next index is 3"),
            ("task.depths[0]=x", r"task.depths\[0\]: expected int; received 'x' \(str\)"),
            ("task.title[0]=x", r"task.title: is not a list, so it has no item \[0\]"),
            ("task[0]=x", r"task: is no list, so it has no item \[0\]"),
        ],
    )
    def test_what_is_no_item_is_refused(self, override, message):
        with pytest.raises(ConfigError, match=message):
            parse_configuration(base(), params_override=override)


class TestParseConfiguration:
    def test_later_sources_win(self, tmp_path):
        first = write(tmp_path, "trainer: {train_steps: 1, max_to_keep: 2}\ntask: {title: file}", "first.yaml")
        second = write(tmp_path, '{"trainer": {"train_steps": 3}, "runtime": {"seed": 1}}', "second.json")

        params = parse_configuration(
            base(), [first, second], "task.scale=2", runtime_overrides={"distribution_strategy": "tpu", "tpu": "local"}
        )

        assert (params.trainer.train_steps, params.trainer.max_to_keep) == (3, 2)
        assert (params.task.title, params.task.scale) == ("file", 2.0)
        assert (params.runtime.seed, params.runtime.tpu) == (1, "local")

    def test_several_overrides_are_merged_before_the_rules_are_checked(self):
        params = parse_configuration(base(), (), ["runtime.tpu=local", "", "runtime.distribution_strategy=tpu"])

        assert params.runtime.tpu == "local"

    def test_the_result_is_locked_and_the_beginning_is_not(self):
        beginning = base()

        params = parse_configuration(beginning, params_override="trainer.train_steps=5")

        assert params.is_locked
        assert not beginning.is_locked
        assert beginning.trainer.train_steps == 0

    def test_a_file_with_mistakes_names_itself_and_each_line(self, tmp_path):
        path = write(tmp_path, "trainer:\n  train_stps: 10\nruntime:\n  num_gpus: '1'\n  seed: x\n")

        with pytest.raises(ConfigError) as caught:
            parse_configuration(base(), [path])

        lines = str(caught.value).splitlines()
        assert lines[0] == f"3 problems in {path}:"
        assert lines[1].startswith("  trainer.train_stps (line 2): no such option. Did you mean `train_steps`?")
        assert lines[2].startswith("  runtime.num_gpus (line 4): expected int; received '1' (str)")
        assert lines[3].startswith("  runtime.seed (line 5): expected int | null; received 'x' (str)")

    def test_an_override_with_a_mistake_names_the_flag(self):
        with pytest.raises(ConfigError, match=r"^--params_override: trainer.train_steps: expected int; received 'x'"):
            parse_configuration(base(), params_override="trainer.train_steps=x")

    def test_a_broken_file_is_named(self, tmp_path):
        path = write(tmp_path, "a: [1\n")

        with pytest.raises(ConfigError, match=f"^{path}: not well-formed YAML"):
            parse_configuration(base(), [path])

    def test_a_broken_json_file_is_named(self, tmp_path):
        path = write(tmp_path, '{"trainer": }', "config.json")

        with pytest.raises(ConfigError, match=f"^{path}: not well-formed JSON: Expecting value: line 1 column 13"):
            parse_configuration(base(), [path])

    def test_a_missing_file_is_named_with_the_place_looked_from(self):
        with pytest.raises(ConfigError, match=r"absent.yaml: cannot be read: No such file or directory \(from "):
            parse_configuration(base(), "absent.yaml")

    def test_an_empty_file_changes_nothing(self, tmp_path):
        assert parse_configuration(base(), [write(tmp_path, "# nothing\n")]) == base()

    def test_broken_rules_name_all_sources(self, tmp_path):
        path = write(tmp_path, "trainer: {steps_per_loop: 0}")

        with pytest.raises(ConfigError) as caught:
            parse_configuration(base(), [path], "runtime.num_gpus=-1")

        assert str(caught.value).splitlines() == [
            f"2 problems in the configuration with {path}, --params_override:",
            "  trainer.steps_per_loop: must be above 0; received 0.",
            "  runtime.num_gpus: must not be negative; received -1.",
        ]

    def test_a_mode_brings_its_own_needs(self):
        with pytest.raises(ConfigError, match=r"trainer.train_steps: mode train needs a number of steps; received 0"):
            parse_configuration(base(), mode="train")
        parse_configuration(base(), mode="eval")


class TestParamsFile:
    def test_it_is_block_style_with_lists_in_flow_style(self):
        text = to_yaml(parse_configuration(base(), params_override="runtime.distribution_strategy=off"))

        assert "task:\n  init_checkpoint: ''\n" in text
        assert "  depths: [1, 2, 3]\n" in text
        assert "  distribution_strategy: 'off'\n" in text

    def test_it_is_a_config_file_for_the_same_configuration(self, tmp_path):
        override = "trainer.optimizer_config.learning_rate={type: constant, constant: {learning_rate: 1e-05}}"
        params = parse_configuration(base(), params_override=override)

        path = write_params(params, str(tmp_path / "run"))

        assert path == str(tmp_path / "run" / "params.yaml")
        assert parse_configuration(base(), [path]) == params

    def test_another_yaml_reader_reads_the_same(self, tmp_path):
        params = parse_configuration(base(), params_override="task.title='1e-4',task.scale=1e-7")

        with open(write_params(params, str(tmp_path)), encoding="utf-8") as file:
            read = yaml.safe_load(file)

        assert read == params.as_dict()

    @pytest.mark.parametrize(
        "text",
        [
            *["1e-4", "1E5", "1.", "0o17", "010", "1_000", "off", "Yes", "true", "null", "~", "", "<<", "1:30"],
            *["2024-01-02", "-", "=", ".nan", "a: b", "# a", "x\ny", " x ", "'", '"', "\t", "é𐀀"],
        ],
    )
    def test_a_string_stays_a_string_for_every_reader(self, text):
        written = to_yaml(Holder(value=[text, {"key": text}]))

        for read in (read_yaml, yaml.safe_load):
            assert read(written) == {"value": [text, {"key": text}]}

    def test_a_failed_write_leaves_the_file_and_nothing_else(self, tmp_path, monkeypatch):
        write_params(base(), str(tmp_path))
        before = (tmp_path / "params.yaml").read_text()

        def fail(*args):
            raise OSError("disk full")

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            write_params(parse_configuration(base(), params_override="task.scale=3"), str(tmp_path))

        assert os.listdir(tmp_path) == ["params.yaml"]
        assert (tmp_path / "params.yaml").read_text() == before

    def test_a_value_that_cannot_be_written_is_named(self, tmp_path):
        params = base()
        params.task.anything = {"a": [1, object()]}

        with pytest.raises(
            ConfigError, match=r"task.anything.a\[1\]: cannot be written to params.yaml: expected a plain"
        ):
            write_params(params, str(tmp_path))
        assert os.listdir(tmp_path) == []

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=10,
        )
    )
    def test_any_plain_value_survives_writing_and_reading(self, value):
        holder = Holder(value=value)

        read = read_yaml(to_yaml(holder))

        assert read == {"value": value}
        assert repr(read["value"]) == repr(value)


@dataclasses.dataclass
class Holder(Config):
    value: Any = None
