"""Long evaluations say how far they are; short ones say nothing. The clock is not a real one."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from assay.python_metrics import COCOEvaluator, LVISEvaluator, _progress
from assay.python_metrics._progress import PATIENCE, Progress

from packages.python_metrics.tests.coco_scenes import batch, random_images
from packages.python_metrics.tests.lvis_scenes import federated_batch, random_scene


class Clock:
    """Goes on by the same time whenever it is looked at."""

    def __init__(self, seconds):
        self.seconds, self.now = seconds, 1000.0

    def __call__(self):
        self.now += self.seconds
        return self.now


@pytest.mark.parametrize(("seconds", "expected"), [(0.01, []), (0.5, [0.6]), (1.0, [0.3, 0.6, 0.9]), (9.0, "all")])
def test_shares_are_passed_on_after_some_seconds_and_not_more_often(seconds, expected):
    told = []
    tell = Progress(lambda what, share: told.append(share), clock=Clock(seconds)).of("work")

    for tenth in range(1, 11):
        tell(tenth / 10)

    assert PATIENCE == 3.0
    assert told == ([tenth / 10 for tenth in range(1, 11)] if expected == "all" else pytest.approx(expected))


def test_part_of_the_work_has_its_part_of_the_share():
    told = []
    progress = Progress(lambda what, share: told.append((what, share)), clock=Clock(9.0))

    progress.of("second half", 0.5, 1.0)(0.5)

    assert told == [("second half", 0.75)]


def test_nobody_is_told_nothing():
    Progress(None, clock=Clock(9.0)).of("work")(0.5)


def fed(**options):
    """An evaluator with a few hundred pairs of image and category, in blocks of few detections."""
    metric = COCOEvaluator(need_rescale_bboxes=False, **options)
    metric.update_state(*batch(random_images(3, images=20, classes=12)))
    return metric


@pytest.mark.parametrize("engine", ["vectorized", "pycocotools"])
def test_long_evaluation_says_how_far_it_is(engine, monkeypatch):
    told = []
    monkeypatch.setattr(_progress, "time", SimpleNamespace(monotonic=Clock(2.0)))
    monkeypatch.setattr("assay.python_metrics.coco.vectorized.DETECTIONS_AT_ONCE", 20)

    fed(engine=engine, progress=lambda what, share: told.append((what, share))).result()

    shares = [share for _, share in told]
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5 < shares[-1] <= 1
    assert {what.partition(" ")[0] for what, _ in told} == {"coco_metric:"}


@pytest.mark.parametrize("engine", ["vectorized", "pycocotools"])
def test_short_evaluation_says_nothing(engine, monkeypatch, capsys):
    monkeypatch.setattr(_progress, "time", SimpleNamespace(monotonic=Clock(0.0)))

    fed(engine=engine).result()

    assert capsys.readouterr() == ("", "")


def test_by_default_it_is_said_on_the_standard_error(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(_progress, "time", SimpleNamespace(monotonic=Clock(9.0)))
    monkeypatch.setattr(sys, "stderr", stream)

    fed().result()

    assert "coco_metric: matching bbox, 100%\n" in stream.getvalue()


def test_what_the_function_prints_is_seen_although_pycocotools_is_silenced(monkeypatch, capsys):
    monkeypatch.setattr(_progress, "time", SimpleNamespace(monotonic=Clock(9.0)))

    fed(engine="pycocotools", progress=lambda what, share: print(what)).result()

    assert set(capsys.readouterr().out.splitlines()) == {"coco_metric: evaluating bbox with pycocotools"}


def test_evaluation_of_federated_data_says_how_far_it_is(monkeypatch):
    told = []
    monkeypatch.setattr(_progress, "time", SimpleNamespace(monotonic=Clock(9.0)))
    images, truth, _ = random_scene(3)
    metric = LVISEvaluator(need_rescale_bboxes=False, progress=lambda what, share: told.append(what))

    metric.update_state(*federated_batch(images, truth))
    metric.result()

    assert set(told) == {"lvis_metric: matching bbox"}


def test_numbers_do_not_depend_on_being_told():
    np.testing.assert_equal(fed(progress=None).result(), fed(progress=print).result())
