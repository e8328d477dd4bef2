"""The plugin as a user meets it: small projects, run by pytest itself."""

import shlex
import sys
import types
import xml.etree.ElementTree as ElementTree

import pytest
from assay import pytest_conformance
from assay.conformance import all_rules, check, conformance_tests
from assay.conformance.pytest_plugin.collecting import labels
from assay.conformance.specimens.host_metrics import SoundAccuracy
from assay.conformance.specimens.host_samples import class_scores

pytest_plugins = ["pytester"]
all_rules()  # imported here once: pytester forgets what its runs import

COMPONENTS = """
import numpy as np
from assay.conformance import Expectation, Subject, conformance_tests, parametrize_with_rules
from assay.conformance.specimens.host_metrics import SoundAccuracy
from assay.conformance.specimens.host_samples import class_scores

BATCHES = class_scores()


class Stacking(SoundAccuracy):  # fails H101: joins the values of replicas along a new axis
    def to_array(self, value):
        return np.concatenate([np.asarray(value)]) if not isinstance(value, tuple) else np.asarray(value[0])[:1]


class Unusable(SoundAccuracy):
    def update_state(self, labels, scores):
        raise KeyError("nope")


SOUND = Subject(SoundAccuracy, BATCHES, name="Sound")
STACKING = Subject(Stacking, BATCHES, name="Stacking")
UNUSABLE = Subject(Unusable, BATCHES, name="Unusable")
"""


@pytest.fixture
def project(pytester):
    """A folder with components; calling it writes a test module and, when given, the expectations of the project."""

    def write(suite, *, expectations="", settings=""):
        pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{settings}\n{expectations}")
        pytester.makepyfile(components=COMPONENTS, test_suite=f"from components import *\n\n{suite}")
        return pytester

    return write


def expecting(rule, reason="known", **more):
    lines = [f'rule = "{rule}"', f'reason = "{reason}"', *(f"{key} = {value}" for key, value in more.items())]
    return "\n".join(["[[tool.assay.expectations]]", *lines, ""])


def run(pytester, *arguments):
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", *arguments)


ONE_RULE = 'test_conformance = conformance_tests([SOUND, STACKING], select=["H101"])'


def test_items_are_named_after_subject_rule_and_mode(project):
    result = run(project(ONE_RULE), "--collect-only", "-q")

    result.stdout.fnmatch_lines(
        [
            "test_suite.py::test_conformance[[]Sound-H101-array-types-eager[]]",
            "test_suite.py::test_conformance[[]Stacking-H101-array-types-eager[]]",
        ]
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"select": ["H101", "usable"]}, {"ignore": ["H000", "H104"]}, {"select": ["H101"], "modes": ["eager"]}],
    ids=str,
)
def test_items_are_the_results_of_check(project, options):
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())

    result = run(project(f"test_conformance = conformance_tests(SOUND{arguments})"), "--collect-only", "-q")

    found = [line.partition("[Sound-")[2][:-1] for line in result.outlines if "::" in line]
    report = check(SoundAccuracy, sample=class_scores(), **options)
    assert found == [f"{one.rule}-{one.slug}-{one.mode}" for one in report.results]


def test_subjects_of_one_name_get_numbers():
    names = ["A", "A", "A_1", "make.<locals>.B", "<lambda>", "focal[0]", "focal loss, small"]

    assert labels(names) == ["A_2", "A_3", "A_1", "B", "lambda", "focal_0", "focal_loss_small"]


def test_keyword_option_chooses_a_subject_and_a_rule(project):
    suite = 'test_conformance = conformance_tests([SOUND, STACKING], select=["H101", "H105"])'

    result = run(project(suite), "-k", "Stacking and H105")

    result.assert_outcomes(passed=1, deselected=3)


def test_failure_shows_the_finding_and_no_traceback(project):
    result = run(project(ONE_RULE))

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["Required:*", "Observed:*", "Likely cause:*", "Fix:*", "Replay:*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*outcomes.py*")


def test_replay_line_repeats_the_failure_alone(project):
    pytester = project(ONE_RULE)
    first = run(pytester, "--assay-seed", "3")
    replay = next(line for line in first.outlines if line.startswith("Replay:")).removeprefix("Replay:")

    program, *arguments = shlex.split(replay)

    assert (program, arguments[1:]) == ("pytest", ["--assay-seed", "3"])
    run(pytester, *arguments).assert_outcomes(failed=1)


def test_exitfirst_stops_at_the_first_failure(project):
    suite = 'test_conformance = conformance_tests([STACKING, SOUND], select=["H101"])'

    run(project(suite), "-x").assert_outcomes(failed=1)


def test_rule_that_does_not_apply_is_skipped_with_its_reason(project):
    result = run(project('test_conformance = conformance_tests(SOUND, select=["H204"])'), "-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*test_suite.py:3: not applicable: *'reference'*"])


def test_end_of_the_run_says_how_much_was_checked(project):
    result = run(project(ONE_RULE))

    result.stdout.re_match_lines([r"=+ conformance =+", r"Sound: 1 of \d+ rules, 1 result: 1 pass"])


def test_junit_file_has_the_names_messages_and_outcomes(project):
    suite = 'test_conformance = conformance_tests([SOUND, STACKING], select=["H101", "H106"])'
    pytester = project(suite, expectations=expecting("H101", "a reason"))

    run(pytester, "--junitxml=out.xml")
    run(pytester, "--junitxml=red.xml", "--runxfail")

    cases = {case.get("name"): case for case in ElementTree.parse(pytester.path / "out.xml").iter("testcase")}
    assert set(cases) == {
        f"test_conformance[{subject}-{rule}-eager]"
        for subject in ("Sound", "Stacking")
        for rule in ("H101-array-types", "H106-plain-scalars")
    }
    expected = cases["test_conformance[Stacking-H101-array-types-eager]"]
    assert expected.find("skipped").attrib == {"type": "pytest.xfail", "message": "a reason"}
    said = {entry.get("name"): entry.get("value") for entry in expected.iter("property")}
    assert (said["assay_rule"], said["assay_level"], said["assay_outcome"]) == ("H101", "MUST", "expected-fail")
    failures = [case.find("failure") for case in ElementTree.parse(pytester.path / "red.xml").iter("testcase")]
    assert ["Required: " in one.get("message") for one in failures if one is not None] == [True]


def test_expected_failure_is_an_xfail_with_its_reason(project):
    result = run(project(ONE_RULE, expectations=expecting("array-types", "joins later", subject='"Stack*"')), "-rx")

    result.assert_outcomes(passed=1, xfailed=1)
    result.stdout.fnmatch_lines(["XFAIL *Stacking-H101*joins later*"])


def test_expectations_of_the_argument_stand_in_for_those_of_the_project(project):
    suite = 'test_conformance = conformance_tests([STACKING], select=["H101"], expectations=())'

    run(project(suite, expectations=expecting("H101"))).assert_outcomes(failed=1)


def test_expectation_that_fails_on_one_subject_is_not_stale_on_another(project):
    result = run(project(ONE_RULE, expectations=expecting("H101")), "-k", "Sound")

    result.assert_outcomes(passed=1, deselected=1)


def test_stale_expectation_fails_and_is_named(project):
    suite = 'test_conformance = conformance_tests([SOUND], select=["H101"])'

    result = run(project(suite, expectations=expecting("H101", "long mended")))

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["XPASS (strict): H101*long mended", "*remove it*"])


@pytest.mark.parametrize("subject", ["Sound", "Stacking"])
def test_expired_expectation_fails_and_is_named(project, subject):
    expectations = expecting("H101", "until spring", until="2020-03-01")

    result = run(project(ONE_RULE, expectations=expectations), "-k", subject)

    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["An expectation of H101 expired on 2020-03-01: until spring"])


def test_expectation_leaves_a_rule_that_does_not_apply_alone(project):
    suite = 'test_conformance = conformance_tests([SOUND], select=["H204"])'

    run(project(suite, expectations=expecting("H204"))).assert_outcomes(skipped=1)


def test_unusable_subject_fails_once(project):
    result = run(project("test_conformance = conformance_tests(UNUSABLE)"), "-rs")

    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 1
    assert set(outcomes) == {"failed", "skipped"}
    result.stdout.fnmatch_lines(["SKIPPED*H000 failed, so nothing else could be observed*"])


def test_unusable_subject_fails_once_when_its_gate_is_not_chosen(project):
    suite = 'test_conformance = conformance_tests(UNUSABLE, select=["H101", "H105", "H106"])'

    result = run(project(suite), "-k", "H105 or H106")

    result.assert_outcomes(failed=1, skipped=1, deselected=1)
    result.stdout.fnmatch_lines(["Required:*The factory makes a metric*"])


def test_subject_that_nothing_can_be_known_of_fails_once(project):
    suite = 'test_conformance = conformance_tests(Subject(SoundAccuracy), select=["H000", "H101"])'

    result = run(project(suite))

    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(["Not run: *sample*"])


def test_check_that_breaks_fails_and_says_so(project):
    suite = """
import dataclasses

@parametrize_with_rules(SOUND, select=["H000"])
def test_mine(check, monkeypatch):
    monkeypatch.setattr(check, "entry", dataclasses.replace(check.entry, check=lambda ctx: 1 / 0))
    check()
"""
    result = run(project(suite))

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["The check itself broke*", "*ZeroDivisionError*"])


ADVICE = """
from assay.conformance import find_rule

test_conformance = conformance_tests(find_rule("S107").mutants[0], select=["S107"])
"""


def test_advice_is_a_warning(project):
    result = run(project(ADVICE))

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*ConformanceAdvice: advice: S107 cadence (SHOULD)*", "*Observed:*"])


@pytest.mark.parametrize("option", ["--assay-strict", "-Werror::assay.conformance.ConformanceAdvice"])
def test_advice_fails_when_it_counts(project, option):
    result = run(project(ADVICE), option)

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*Traceback*")


OUT_OF_TIME = 'test_conformance = conformance_tests(SOUND, select=["H101"], timeout=1e-5, ignore=["H000"])'


def test_rule_that_could_not_be_run_is_skipped_with_the_remedy(project):
    result = run(project(OUT_OF_TIME), "-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        [
            "SKIPPED*not run: *--assay-timeout*",
        ]
    )


@pytest.mark.parametrize("settings", ["assay_strict = true", ""])
def test_rule_that_could_not_be_run_fails_when_strict(project, settings):
    arguments = [] if settings else ["--assay-strict"]

    run(project(OUT_OF_TIME, settings=settings), *arguments).assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("option", "argument", "setting", "seed"),
    [("4", "3", "2", 4), (None, "3", "2", 3), (None, "None", "2", 2), (None, "None", None, 0)],
)
def test_command_line_counts_before_the_argument_before_the_file(project, option, argument, setting, seed):
    suite = f"""
@parametrize_with_rules(SOUND, select=["H106"], seed={argument})
def test_mine(check):
    assert check.run.settings.seed == {seed}
    check()
"""
    pytester = project(suite, settings=f'assay_seed = "{setting}"' if setting else "")

    run(pytester, *(["--assay-seed", option] if option else [])).assert_outcomes(passed=1)


def test_decorated_test_has_its_fixtures_and_knows_what_is_checked(project):
    suite = """
@parametrize_with_rules([SOUND], select=["H106"])
def test_mine(check, tmp_path):
    assert tmp_path.is_dir()
    assert (check.subject.name, check.rule.id, check.mode, check.target) == ("Sound", "H106", "eager", "cpu")
    check()
"""
    run(project(suite)).assert_outcomes(passed=1)


def test_decorated_test_that_never_checks_fails(project):
    suite = """
@parametrize_with_rules([SOUND], select=["H106"])
def test_mine(check):
    pass
"""
    result = run(project(suite))

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["The test never called check()*"])


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("test_it = conformance_tests([])", "The list of subjects is empty*"),
        ('test_it = conformance_tests([SOUND], select=["H999"])', "There is no rule 'H999'*"),
        ('test_it = conformance_tests([SOUND], kind="los")', "There is no kind 'los'; the nearest is 'loss'*"),
        ('test_it = conformance_tests([SOUND], modes=["eagre"])', "There is no mode 'eagre'*"),
        ('test_it = conformance_tests([SOUND], select=["L205"])', "No rule is left to run*"),
        ("test_it = conformance_tests([SOUND, 3])", "A subject is a Subject or a factory*received 3*"),
        ("test_it = conformance_tests(lambda: 3)", "The kind of * cannot be told*(kind=...)*"),
        ('test_it = conformance_tests(Subject(SoundAccuracy, traits={"nodata": 1}))', "There is no trait 'nodata'*"),
        ("@parametrize_with_rules(SOUND)\ndef test_it():\n    pass", "test_it needs an argument named check*"),
    ],
    ids=["empty", "rule", "kind", "mode", "nothing left", "no subject", "kind unknown", "trait", "no argument"],
)
def test_wrong_argument_is_one_sentence(project, suite, message):
    result = run(project(suite))

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"test_suite.py*: {message}"])
    result.stdout.no_fnmatch_line("*Error*:*Error*")
    result.stdout.no_fnmatch_line("*assay/conformance*.py*")


def test_wrong_setting_is_one_sentence(project):
    result = run(project(ONE_RULE, settings='assay_seed = "one"'))

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["test_suite.py*: assay_seed in * must be a number; it is 'one'."])


def test_what_rules_share_is_freed_after_the_last_check_of_a_subject(project):
    suite = """
import gc
from assay.conformance.session import Session

def alive():
    return sum(isinstance(thing, Session) for thing in gc.get_objects())

BEFORE = alive()

@parametrize_with_rules(SOUND, select=["H101", "H106"])
def test_first(check):
    check()
    assert alive() == BEFORE + 1

def test_nothing_is_kept():
    assert alive() == BEFORE

test_second = conformance_tests(SOUND, select=["H101"])
"""
    run(project(suite)).assert_outcomes(passed=4)


def test_run_without_conformance_tests_loads_nothing(project):
    pytester = project(ONE_RULE)
    pytester.makepyfile(
        test_plain="""
import sys

def test_nothing_is_loaded():
    loaded = {"tensorflow", "numpy", "assay.conformance.checking", "assay.conformance.registry"} & set(sys.modules)
    assert not loaded
"""
    )

    pytester.runpytest_subprocess("test_plain.py", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_collecting_plain_components_does_not_import_tensorflow(project):
    pytester = project(ONE_RULE + "\n\ndef test_absent():\n    import sys\n    assert 'tensorflow' not in sys.modules")

    result = pytester.runpytest_subprocess("-k", "absent", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=1, deselected=2)


LOSS = """
import numpy as np
import tensorflow as tf
from assay.conformance import Subject, conformance_tests

class HalfSquared(tf.keras.losses.Loss):
    def call(self, y_true, y_pred):
        return tf.reduce_mean(0.5 * (y_true - y_pred) ** 2, axis=-1)

random = np.random.default_rng(0)
BATCH = random.normal(size=(6, 4)).astype("float32"), random.normal(size=(6, 4)).astype("float32")
"""


def test_workers_of_xdist_share_the_items(project):
    suite = """
import dataclasses
from assay.conformance import Violation


def judge(ctx):  # in place of the rule's own check, which would import TensorFlow in both workers
    if (ctx.subject.name, ctx.rule_id) == ("Stacking", "H101"):
        raise Violation("seen", cause="a cause", fix="a fix")


@parametrize_with_rules([SOUND, STACKING], select=["H101", "H105", "H106"], ignore=["H000"])
def test_mine(check):
    check.entry = dataclasses.replace(check.entry, check=judge)
    check()
"""
    pytester = project(suite, expectations=expecting("H101", subject='"Stacking"'))

    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=5, xfailed=1)
    result.stdout.fnmatch_lines(["Stacking: 3 of * rules, 3 results: 2 pass, 1 expected-fail"])


@pytest.mark.slow
def test_replica_rules_say_what_to_do_when_tensorflow_was_faster(project):
    pytester = project("")
    suite = 'test_conformance = conformance_tests([Subject(HalfSquared, BATCH)], select=["L501", "L101"])'
    pytester.makepyfile(test_a="import tensorflow as tf\nONES = tf.ones(3)", test_suite=LOSS + suite)

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["1 not run: *`assay_devices = true` to *pyproject.toml*conftest.py*"])


class FakeTensorFlow:
    """Remembers how its CPU is split, and whether it was started."""

    LogicalDeviceConfiguration = object

    def __init__(self):
        self.config, self.split, self.started = self, None, False

    def list_physical_devices(self, kind):
        return [kind]

    def list_logical_devices(self, kind):
        self.started = True
        return self.split

    def get_logical_device_configuration(self, device):
        return self.split

    def set_logical_device_configuration(self, device, split):
        self.split = split


@pytest.fixture
def tensorflow(monkeypatch):
    fake = FakeTensorFlow()
    monkeypatch.setitem(sys.modules, "tensorflow", fake)
    return fake


def test_declaring_a_suite_splits_the_cpu_and_does_not_start_tensorflow(tensorflow):
    conformance_tests([])

    assert (len(tensorflow.split), tensorflow.started) == (2, False)


@pytest.mark.parametrize(
    ("setting", "workers", "worker", "split"),
    [(True, None, "", True), (True, 2, "", False), (True, 2, "gw0", True), (False, None, "", False)],
    ids=["asked", "hands tests out", "worker", "not asked"],
)
def test_devices_are_set_up_early_where_tests_will_run(tensorflow, monkeypatch, setting, workers, worker, split):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    if worker:
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
    options = types.SimpleNamespace(assay_devices=False, numprocesses=workers)
    config = types.SimpleNamespace(known_args_namespace=options, getini=lambda name: setting)

    pytest_conformance.pytest_load_initial_conftests(config)

    assert (tensorflow.split is not None) == split
