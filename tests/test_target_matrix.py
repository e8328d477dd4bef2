"""`tools/target_matrix.py`: what its page says of what is on record."""

from tools.target_matrix import page

VERSIONS = {"tensorflow": "2.21.0", "python": "3.11.7"}


def subject(name, *not_run):
    return {
        "group": "losses",
        "name": name,
        "counts": [["cpu", "pass", "executed", 3], *[["gpu", "not-run", "none", 1] for _ in not_run]],
        "seconds": {"cpu": 1.0, "gpu": 2.0},
        "failures": [],
        "not_run": not_run,
        "devices": ["/device:CPU:0"],
        "versions": VERSIONS,
    }


def test_page_says_what_is_not_run_and_why():
    needs_two = "There is no GPU here: two are needed."
    subjects = {
        "a": subject("A", ("gpu", "L501", "replicas", needs_two), ("gpu", "L502", "replicas", needs_two)),
        "b": subject("B", ("gpu", "L501", "replicas", needs_two), ("gpu", "L108", "mixed_precision", "One is needed.")),
        "c": subject("C"),
    }

    text = page({"subjects": subjects, "mutants": {}})

    _, reasons = text.split("## What is not run, and why")
    assert "| gpu | L501, L502 | replicas | 3 | There is no GPU here: two are needed. |" in reasons
    assert "| gpu | L108 | mixed precision | 1 | One is needed. |" in reasons
    assert "| C | 3 executed (1 s) | " in text


def test_page_has_no_reasons_where_all_is_run():
    assert "not run, and why" not in page({"subjects": {"c": subject("C")}, "mutants": {}})
