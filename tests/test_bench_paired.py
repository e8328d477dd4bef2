from tools.bench.paired import Timing, interleave, report


def test_each_alternative_is_called_once_untimed_and_once_a_round():
    calls = []

    timings = interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)

    assert calls == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert [len(timing.seconds) for timing in timings] == [3, 3]


def test_the_ratio_is_the_median_of_paired_ratios():
    timing = Timing("b", seconds=(2.0, 30.0, 3.0), baseline=(1.0, 10.0, 2.0))

    assert timing.ratio == 2.0


def test_the_report_scales_to_the_unit_of_work():
    timing = Timing("a", seconds=(2.0,), baseline=(2.0,))

    assert "2.00 ms   ratio  1.00" in report("loop", [timing], per=1000)
