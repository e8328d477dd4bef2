"""Input pipelines: what is read, in which order, how often, and what a restored iterator goes on with."""

import itertools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from assay.core import ConfigError
from assay.reference_tasks.classification.inputs import ArraysReader, InputFilesError, make_dataset
from assay.reference_tasks.vision.images.affine import AffineConfig

EXAMPLES = 23
FILES = ([0, 1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16, 17, 18, 19, 20, 21, 22])


@pytest.fixture
def path(write_records):
    return write_records(*FILES)


def make(params, context=None, **options):
    return make_dataset(params, **{"input_size": [4, 4, 1], "num_classes": 10, "input_context": context} | options)


def context(index=0, count=1, replicas=1):
    return tf.distribute.InputContext(num_input_pipelines=count, input_pipeline_id=index, num_replicas_in_sync=replicas)


def batches(dataset, count=None):
    return list(itertools.islice(iter(dataset), count))


def same(one, other):
    return all(
        np.array_equal(a, b)
        for first, second in zip(one, other, strict=True)
        for a, b in zip(first, second, strict=True)
    )


AUGMENTATIONS = {
    "crop": {"aug_crop": True},
    "flip": {"aug_rand_hflip": True},
    "affine": {"aug_affine": AffineConfig(max_shift=0.3, min_scale=0.8, max_scale=1.2, max_rotation=20.0)},
}


class TestValidation:
    @pytest.mark.parametrize("batch_size", [1, 3, 4, 23, 50])
    def test_every_example_comes_once(self, path, data_config, numbers_of, batch_size):
        dataset = make(data_config(path, global_batch_size=batch_size))

        assert sorted(numbers_of(dataset)) == list(range(EXAMPLES))

    def test_order_is_fixed(self, path, data_config, numbers_of):
        dataset = make(data_config(path, deterministic=False))

        assert numbers_of(dataset) == numbers_of(dataset) == numbers_of(make(data_config(path)))

    def test_last_batch_is_smaller(self, path, data_config):
        sizes = [len(labels) for _, labels in make(data_config(path))]

        assert sizes == [4, 4, 4, 4, 4, 3]

    def test_remainder_is_dropped_where_asked_for_with_a_warning(self, path, data_config, caplog):
        dataset = make(data_config(path, drop_remainder=True))

        assert [len(labels) for _, labels in dataset] == [4] * 5
        assert "up to 3 examples of each input pipeline are not counted" in caplog.text

    def test_elements_match_their_declaration(self, path, data_config):
        dataset = make(data_config(path, dtype="bfloat16"))

        assert dataset.element_spec == (
            tf.TensorSpec([None, 4, 4, 1], tf.bfloat16),
            tf.TensorSpec([None], tf.int32),
        )
        for images, labels in dataset:
            assert images.dtype == tf.bfloat16
            assert images.shape[0] == labels.shape[0]

    def test_labels_belong_to_their_images(self, path, data_config, numbers_of):
        dataset = make(data_config(path))
        labels = np.concatenate([labels for _, labels in dataset])

        np.testing.assert_array_equal(labels, np.array(numbers_of(dataset)) % 10)

    def test_cached_data_is_the_same(self, path, data_config, numbers_of):
        cached = make(data_config(path, cache=True))
        first, second = numbers_of(cached), numbers_of(cached)

        assert first == second == numbers_of(make(data_config(path)))


class TestTraining:
    def test_batches_are_full_for_ever_and_static(self, path, data_config):
        dataset = make(data_config(path, is_training=True))

        assert dataset.element_spec[0].shape == [4, 4, 4, 1]
        assert dataset.element_spec[1].shape == [4]
        assert len(batches(dataset, 3 * EXAMPLES)) == 3 * EXAMPLES

    @pytest.mark.parametrize("cache", [False, True])
    def test_each_epoch_has_every_example_in_another_order(self, path, data_config, numbers_of, cache):
        params = data_config(path, is_training=True, global_batch_size=1, seed=1, cache=cache)
        numbers = numbers_of(batches(make(params), 3 * EXAMPLES))
        epochs = [numbers[start : start + EXAMPLES] for start in range(0, 3 * EXAMPLES, EXAMPLES)]

        assert [sorted(epoch) for epoch in epochs] == [list(range(EXAMPLES))] * 3
        assert epochs[0] != epochs[1] != epochs[2]

    def test_order_is_that_of_the_seed(self, path, data_config, numbers_of):
        def order(seed):
            return numbers_of(batches(make(data_config(path, is_training=True, seed=seed)), 20))

        assert order(1) == order(1)
        assert order(1) != order(2)

    def test_without_seed_the_order_is_another_each_time(self, path, data_config, numbers_of):
        params = data_config(path, is_training=True)

        assert numbers_of(batches(make(params), 20)) != numbers_of(batches(make(params), 20))

    def test_without_seed_the_global_seed_decides(self, path, data_config):
        params = data_config(path, is_training=True, aug_affine=AffineConfig(max_shift=1.0))

        def first():
            tf.random.set_seed(5)
            return batches(make(params), 5)

        assert same(first(), first())

    def test_weights_decide_how_often_a_source_is_drawn_from(self, write_records, data_config, numbers_of, tmp_path):
        write_records(*FILES)
        sources = {"few": f"{tmp_path}/data-00000*", "many": f"{tmp_path}/data-00001*"}
        params = data_config("", is_training=True, seed=1).replace(
            input_path=sources, weights={"few": 0.2, "many": 0.8}
        )
        numbers = numbers_of(batches(make(params), 100))
        share = sum(number in FILES[1] for number in numbers) / len(numbers)

        assert set(numbers) == {*FILES[0], *FILES[1]}
        assert share == pytest.approx(0.8, abs=0.08)  # 4 standard deviations of 400 draws

    @pytest.mark.parametrize("is_training", [False, True])
    def test_sources_without_weights_are_read_as_one(
        self, write_records, data_config, numbers_of, tmp_path, is_training
    ):
        write_records(*FILES)
        params = data_config("", is_training=is_training, global_batch_size=1, seed=1).replace(
            input_path={"a": f"{tmp_path}/data-00000*", "b": [f"{tmp_path}/data-00001*", f"{tmp_path}/data-00002*"]}
        )

        assert sorted(numbers_of(batches(make(params), EXAMPLES))) == list(range(EXAMPLES))


class TestPipelines:
    @pytest.mark.parametrize(("count", "seed"), [(2, None), (2, 4), (5, None)])  # fewer than the files, and more
    def test_parts_are_disjoint_and_complete(self, path, data_config, numbers_of, count, seed):
        params = data_config(path, is_training=True, seed=seed, global_batch_size=1)
        parts = [numbers_of(batches(make(params, context(index, count)), 40)) for index in range(count)]

        assert sorted(itertools.chain(*(set(part) for part in parts))) == list(range(EXAMPLES))

    @pytest.mark.parametrize("count", [2, 5])
    def test_validation_on_pipelines_counts_every_example_once(self, path, data_config, numbers_of, count):
        parts = [numbers_of(make(data_config(path), context(index, count))) for index in range(count)]

        assert sorted(itertools.chain(*parts)) == list(range(EXAMPLES))

    def test_without_sharding_each_pipeline_reads_everything(self, path, data_config, numbers_of):
        for index in range(2):
            dataset = make(data_config(path, sharding=False), context(index, 2))
            assert sorted(numbers_of(dataset)) == list(range(EXAMPLES))

    @pytest.mark.parametrize("replicas", [1, 2, 4])
    def test_replicas_share_the_global_batch(self, path, data_config, replicas):
        params = data_config(path, is_training=True, global_batch_size=8)

        assert make(params, context(replicas=replicas)).element_spec[1].shape == [8 // replicas]

    @pytest.mark.parametrize(("size", "replicas"), [(8, 3), (0, 1), (1, 2)])
    def test_batch_that_does_not_divide_is_refused(self, path, data_config, size, replicas):
        with pytest.raises(ConfigError, match=rf"global_batch_size.*replicas, {replicas}; received {size}"):
            make(data_config(path, global_batch_size=size), context(replicas=replicas))

    def test_pipelines_augment_differently(self, data_config):
        reader = ArraysReader(np.full([8, 4, 4, 1], 200, np.uint8), np.zeros(8, np.int64))
        params = data_config("", is_training=True, seed=1, aug_affine=AffineConfig(max_shift=0.5))
        ((one, _),) = batches(make(params, context(0, 2), reader=reader), 1)
        ((other, _),) = batches(make(params, context(1, 2), reader=reader), 1)

        assert not np.array_equal(one, other)


class TestRandomness:
    """Augmentation follows from the seed and the position in the training data, and from nothing else."""

    @pytest.fixture
    def reader(self):
        image = np.random.default_rng(0).integers(0, 256, [1, 4, 4, 1], np.uint8)
        return ArraysReader(np.repeat(image, 5, axis=0), np.zeros(5, np.int64))

    @pytest.mark.parametrize("name", AUGMENTATIONS)
    def test_same_seed_gives_the_same_pixels(self, data_config, reader, name):
        params = data_config("", is_training=True, seed=1, **AUGMENTATIONS[name])

        assert same(batches(make(params, reader=reader), 6), batches(make(params, reader=reader), 6))

    @pytest.mark.parametrize("name", AUGMENTATIONS)
    def test_pixels_differ_by_position_and_by_seed(self, data_config, reader, name):
        def images(seed):
            params = data_config("", is_training=True, seed=seed, **AUGMENTATIONS[name])
            return np.concatenate([images for images, _ in batches(make(params, reader=reader), 6)])

        assert len({image.tobytes() for image in images(1)}) > 1
        assert not np.array_equal(images(1), images(2))

    def test_validation_is_not_augmented(self, data_config, reader):
        changes = {key: value for change in AUGMENTATIONS.values() for key, value in change.items()}
        params = data_config("", seed=1, **changes)

        assert same(batches(make(params, reader=reader)), batches(make(data_config(""), reader=reader)))


class TestCheckpoint:
    @pytest.mark.slow
    @pytest.mark.parametrize("cache", [False, True])
    @pytest.mark.parametrize("is_training", [False, True])
    def test_restored_iterator_goes_on_with_exactly_the_rest(self, path, data_config, tmp_path, is_training, cache):
        params = data_config(
            path, is_training=is_training, seed=3, cache=cache, shuffle_buffer_size=9, aug_rand_hflip=True
        )
        total = 14 if is_training else 6  # more than two epochs; all
        expected, saved = [], []
        iterator = iter(make(params))
        for position in range(total):
            saved.append(tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / f"ckpt-{position}")))
            expected.append(next(iterator))
        dataset = make(params)

        for position, checkpoint in enumerate(saved):
            restored = iter(dataset)
            tf.train.Checkpoint(iterator=restored).restore(checkpoint).assert_consumed()
            rest = list(itertools.islice(restored, total - position))
            assert same(rest, expected[position:]), f"restored at batch {position}"

    @pytest.mark.parametrize("reader", ["image_folder", "arrays", "weights"])
    def test_iterators_of_all_readers_can_be_saved(self, request, data_config, tmp_path, reader):
        if reader == "weights":
            request.getfixturevalue("path")
            sources = {name: f"{tmp_path}/data-{index:05d}*" for index, name in enumerate("ab")}
            changes = {"input_path": sources, "weights": {"a": 0.5, "b": 0.5}}
        elif reader == "arrays":
            images = np.arange(9, dtype=np.uint8)[:, None, None] * np.ones([1, 4, 4], np.uint8)
            np.savez(tmp_path / "a.npz", images=images, labels=np.arange(9))
            changes = {"input_path": f"{tmp_path}/a.npz", "reader": reader}
        else:
            (tmp_path / "root" / "class").mkdir(parents=True)
            for value in range(9):
                image = tf.io.encode_png(np.full([4, 4, 1], value, np.uint8)).numpy()
                (tmp_path / "root" / "class" / f"{value}.png").write_bytes(image)
            changes = {"input_path": f"{tmp_path}/root", "reader": reader}
        params = data_config("", is_training=True, seed=1).replace(**changes)
        iterator, restored = iter(make(params)), iter(make(params))
        for _ in range(4):
            next(iterator)
        saved = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "ckpt"))
        tf.train.Checkpoint(iterator=restored).restore(saved).assert_consumed()

        assert same(list(itertools.islice(restored, 4)), list(itertools.islice(iterator, 4)))


class TestMistakes:
    @pytest.mark.parametrize("is_training", [False, True])
    @pytest.mark.parametrize("label", [10, -1])
    def test_label_out_of_range_is_named(self, write_records, make_example, data_config, is_training, label):
        bad = make_example(3, {"image/class/label": label})
        dataset = make(data_config(write_records([1, 2, bad]), is_training=is_training, global_batch_size=1))

        with pytest.raises(
            tf.errors.InvalidArgumentError, match=rf"record 2: image/class/label .* 0 to 9.*received {label}"
        ):
            batches(dataset, 3)

    def test_missing_label_is_named(self, write_records, make_example, data_config):
        dataset = make(data_config(write_records([make_example(3, {"image/class/label": None})])))

        with pytest.raises(tf.errors.InvalidArgumentError, match=r"record 0: image/class/label .*-1 stands for"):
            batches(dataset)

    def test_missing_files_are_named(self, data_config, tmp_path):
        with pytest.raises(InputFilesError, match="nothing-here"):
            make(data_config(tmp_path / "nothing-here*"))

    def test_weights_in_validation_are_refused(self, data_config, tmp_path):
        params = data_config("").replace(input_path={"a": "x", "b": "y"}, weights={"a": 0.5, "b": 0.5})

        with pytest.raises(ConfigError, match=r"weights.*no effect"):
            params.validate()


def test_counts_are_those_of_the_files():
    assert Counter(itertools.chain(*FILES)) == Counter(range(EXAMPLES))
