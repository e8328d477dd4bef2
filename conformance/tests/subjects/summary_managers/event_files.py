"""Summary managers that write TensorBoard event files."""

import os

import numpy as np
import tensorflow as tf


class OrbitLikeManager:
    """One writer a path, made when needed; values go to `summary_fn` as they come."""

    def __init__(self, summary_dir, summary_fn, global_step=None):
        self._enabled = summary_dir is not None
        self._summary_dir = summary_dir
        self._summary_fn = summary_fn
        self._global_step = tf.summary.experimental.get_step() if global_step is None else global_step
        self._writers = {}

    def summary_writer(self, relative_path=""):
        if not self._enabled:
            return tf.summary.create_noop_writer()
        if relative_path not in self._writers:
            self._writers[relative_path] = tf.summary.create_file_writer(os.path.join(self._summary_dir, relative_path))
        return self._writers[relative_path]

    def write_summaries(self, summary_dict):
        if self._enabled:
            self._write(summary_dict, "")

    def _write(self, summary_dict, relative_path):
        for name, value in summary_dict.items():
            if isinstance(value, dict):
                self._write(value, os.path.join(relative_path, name))
            else:
                with self.summary_writer(relative_path).as_default():
                    self._summary_fn(name, value, step=self._global_step)

    def flush(self):
        for writer in self._writers.values():
            writer.flush()


class ImageManager(OrbitLikeManager):
    """Keys that begin with `image/` are images, of which at most `max_outputs` are kept; the rest are scalars."""

    def __init__(self, summary_dir, global_step=None, max_outputs=20):
        super().__init__(summary_dir, self._by_key, global_step)
        self._max_outputs = max_outputs

    def _by_key(self, name, value, step):
        if name.startswith("image/"):
            tf.summary.image(name, value, step=step, max_outputs=self._max_outputs)
        else:
            tf.summary.scalar(name, value, step=step)


class EachBatchAnImage(ImageManager):
    """Forgets `max_outputs`, so that TensorFlow's own limit of 3 holds."""

    def _by_key(self, name, value, step):
        if name.startswith("image/"):
            tf.summary.image(name, value, step=step)
        else:
            tf.summary.scalar(name, value, step=step)


class FlatTagManager:
    """One file; groups become slashes in the tag."""

    def __init__(self, summary_dir, global_step=None):
        self._writer = None if summary_dir is None else tf.summary.create_file_writer(str(summary_dir))
        self._step = global_step

    def write_summaries(self, summary_dict):
        if self._writer is None:
            return
        with self._writer.as_default():
            for tag, value in self._leaves(summary_dict, ""):
                tf.summary.scalar(tag, value, step=self._step)

    def _leaves(self, group, prefix):
        for key, value in group.items():
            if isinstance(value, dict):
                yield from self._leaves(value, f"{prefix}{key}/")
            else:
                yield prefix + key, value

    def flush(self):
        if self._writer is not None:
            self._writer.flush()


class LegacyWriterManager:
    """The writers of TensorFlow 1, which hold their events back; only `close` hands them over."""

    def __init__(self, summary_dir, global_step=None):
        self._directory = summary_dir
        self._step = global_step
        self._files = {}
        self._events = []

    def write_summaries(self, summary_dict):
        if self._directory is not None:
            self._collect(summary_dict, self._directory)

    def _collect(self, group, directory):
        for key, value in group.items():
            if isinstance(value, dict):
                self._collect(value, os.path.join(directory, key))
            else:
                self._events.append((directory, key, float(value), int(self._step)))

    def flush(self):
        for file in self._files.values():
            file.flush()

    def close(self):
        for directory, tag, value, step in self._events:
            if directory not in self._files:
                with tf.Graph().as_default():
                    self._files[directory] = tf.compat.v1.summary.FileWriter(directory)
            summary = tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag=tag, simple_value=value)])
            self._files[directory].add_summary(summary, step)
        self._events = []
        for file in self._files.values():
            file.close()
        self._files = {}


class WriterEachTime(OrbitLikeManager):
    """Opens a writer for each write and closes it again, so that nothing can be lost."""

    def flush(self):
        pass

    def _write(self, summary_dict, relative_path):
        writer = tf.summary.create_file_writer(os.path.join(self._summary_dir, relative_path))
        with writer.as_default():
            for name, value in summary_dict.items():
                if isinstance(value, dict):
                    self._write(value, os.path.join(relative_path, name))
                elif np.ndim(value) == 0:
                    self._summary_fn(name, value, step=self._global_step)
        writer.close()


class StepAtBirth(OrbitLikeManager):
    """Takes the number of the step when it is made."""

    def __init__(self, summary_dir, summary_fn, global_step=None):
        super().__init__(summary_dir, summary_fn, None if global_step is None else int(global_step))


def orbit_like(summary_dir, global_step=None):
    return OrbitLikeManager(summary_dir, tf.summary.scalar, global_step)


def orbit_like_default_step(summary_dir):
    """The step is the one of `tf.summary.experimental.set_step`."""
    return OrbitLikeManager(summary_dir, tf.summary.scalar)


def writer_each_time(summary_dir, global_step=None):
    return WriterEachTime(summary_dir, tf.summary.scalar, global_step)


def step_at_birth(summary_dir, global_step=None):
    return StepAtBirth(summary_dir, tf.summary.scalar, global_step)
