"""Realistic summary managers, good and bad, each with the rules that it is known to break."""

from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.summary_managers import event_files, text_files
from conformance.tests.subjects.verdicts import case

# What the plain approach of handing each value to tf.summary breaks: messages without the path of a bad leaf, steps
# written again after a resume, keys that leave the directory, mappings that are no dict.
PLAIN = "S103 S105 S108 S111"


def manager(factory, name, **traits):
    return Subject(factory, kind=Kind.SUMMARY_MANAGER, name=name, traits=traits)


CASES = [
    case(manager(event_files.orbit_like, "orbit-like"), fails=PLAIN),
    case(manager(event_files.orbit_like_default_step, "orbit-like, default step"), fails=PLAIN),
    # tf.summary.image names neither the key nor the path when the shape is wrong.
    case(manager(event_files.ImageManager, "images by key", takes_images=True), fails=f"{PLAIN} S110"),
    case(manager(event_files.EachBatchAnImage, "images, limit forgotten", takes_images=True), fails=f"{PLAIN} S110"),
    case(
        manager(event_files.FlatTagManager, "groups as slashes"),
        fails="S101 S103 S105 S111",
    ),
    case(
        manager(event_files.LegacyWriterManager, "held back until close"),
        fails="S103 S104 S105 S108 S111 S113",
    ),
    case(
        manager(event_files.writer_each_time, "a writer each time"),
        fails=f"{PLAIN} S112",
    ),
    case(manager(event_files.step_at_birth, "step at birth"), fails=f"{PLAIN} S113", may_fail="S101 S107"),
    case(manager(text_files.JsonLinesManager, "json lines", reader=text_files.read_json_lines)),
    case(
        manager(text_files.NaiveJsonLinesManager, "json lines, naive", reader=text_files.read_json_lines),
        # str(None) is a directory; prefixes leave the directory; float(None) names no path; 0 is not written; int(None)
        # says nothing of a step.
        fails="S102 S103 S105 S108 S111 S113 S114",
    ),
    case(manager(text_files.CsvManager, "csv, step by argument", reader=text_files.read_csv)),
]
