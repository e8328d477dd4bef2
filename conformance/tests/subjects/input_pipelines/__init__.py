"""Realistic input pipelines, good and bad, each with the rules that it is known to break, and why."""

from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.input_pipelines import images, sequences
from conformance.tests.subjects.verdicts import case


def pipeline(factory, name, sample=None, **traits):
    return Subject(factory, sample, kind=Kind.INPUT_PIPELINE, name=name, traits=traits)


CASES = [
    # None of these names the file in the error of a broken record, which is advice: only the parser of PNG speaks.
    case(pipeline(images.sharded_records, "records, sharded and interleaved", images.reader_configs), fails="I105"),
    case(
        # Two files over three pipelines leave one without data: in evaluation nothing is lost, and training on the
        # third host would have no batch.
        pipeline(images.sharded_files, "whole files, enough of them", images.reader_configs),
        fails="I105",
    ),
    case(
        pipeline(images.shuffled_files, "list_files shuffles", images.reader_configs),
        fails="I105 I201 I202 I203 I301",
        may_fail="I302",
    ),
    case(
        pipeline(images.stateful_augmentation, "random flips from tutorials", images.two_files),
        fails="I105 I301 I302",
    ),
    case(pipeline(images.directory, "image folders, one host")),
    case(
        # Scaled in training only, shuffled in evaluation, one epoch long; batches of evaluation cannot be dropped.
        pipeline(images.directory_as_it_comes, "image folders as they come"),
        fails="I102 I204 I201",
        may_fail="I205",
    ),
    case(pipeline(images.cached_then_shuffled, "dicts, cached then shuffled", value_ranges={"image": (0, 1)})),
    case(pipeline(images.shuffled_then_cached, "shuffled then cached"), fails="I202"),
    case(
        pipeline(images.batched_then_repeated, "batched then repeated"),
        fails="I201 I205",
        may_fail="I203",
    ),
    case(pipeline(sequences.padded_texts, "texts, padded", sequences.text_params)),
    case(pipeline(sequences.ragged_texts, "texts, ragged", sequences.text_params)),
    case(
        # TensorFlow notices when it batches: every rule that reads fails with its error.
        pipeline(sequences.wrong_length, "texts of a wrong length", sequences.text_params),
        fails="I000 I101",
        may_fail="I102 I103 I201 I202 I203 I204 I205 I206 I207 I301 I302",
    ),
    case(
        pipeline(sequences.GeneratorPipeline, "a Python generator"),
        fails="I202 I301",
        may_fail="I203 I302",
    ),
    case(pipeline(sequences.weighted_sources, "sources by weight", train_order="sampled")),
]
