"""Source that is rewritten under other names."""

from assay.reference_tasks.templates.source_code import classes_defined, imported_packages, rewritten

PACKAGES = {"old.task": "new", "old.starters.task": "new"}


def test_import_names_change_in_code_strings_and_prose_but_only_whole():
    source = 'PATH = "old.task.data:make"  # see old.task, not old.tasks, bold.task or old.task_two\n'

    assert rewritten(source, packages=PACKAGES, words={}) == (
        'PATH = "new.data:make"  # see new, not old.tasks, bold.task or old.task_two\n'
    )


def test_longer_package_names_are_replaced_first():
    assert rewritten("import old.starters.task.data", packages=PACKAGES, words={}) == "import new.data"


def test_words_change_only_where_they_stand_alone():
    source = "class OldTask(Task):\n    '''An OldTask, no OldTasks.'''\n"

    assert rewritten(source, packages={}, words={"OldTask": "NewTask"}) == (
        "class NewTask(Task):\n    '''An NewTask, no OldTasks.'''\n"
    )


def test_own_imports_follow_the_others_sorted():
    source = '''"""A module."""

import os

from old.task.z import Last
from old.task import zebra, Apple, LIMIT
from other import (
    one,
    two,
)
import late

X = 1
'''

    assert (
        rewritten(source, packages=PACKAGES, words={})
        == '''"""A module."""

import os

from other import (
    one,
    two,
)
import late

from new import LIMIT, Apple, zebra
from new.z import Last

X = 1
'''
    )


def test_module_with_own_imports_only_keeps_their_place():
    source = '"""A module."""\n\nfrom old.task.b import b as b\nfrom old.starters.task.a import a as a\n'

    assert rewritten(source, packages=PACKAGES, words={}) == (
        '"""A module."""\n\nfrom new.a import a as a\nfrom new.b import b as b\n'
    )


def test_long_import_is_broken_into_lines():
    names = [f"a_rather_long_name_{number}" for number in range(6)]
    text = rewritten(f"from old.task import {', '.join(names)}\n", packages=PACKAGES, words={})

    assert text == "from new import (\n" + "".join(f"    {name},\n" for name in names) + ")\n"


def test_classes_are_found_by_their_prefix_at_the_top_level_only():
    sources = ["class OldTask:\n    class OldInner: ...\n", "class OldConfig: ...\nclass Other: ...\nOldNumber = 1\n"]

    assert classes_defined(sources, prefix="Old") == ["OldConfig", "OldTask"]


def test_imports_inside_functions_are_found():
    assert imported_packages("import a.b\ndef f():\n    from c.d import e\n") == {"a.b", "c.d"}
