"""Input pipelines, of their own or of a Task: made with any parameters, read, and compared by their examples."""

from assay.conformance.harness.pipelines.components import make_component as make_component
from assay.conformance.harness.pipelines.datasets import build_dataset as build_dataset
from assay.conformance.harness.pipelines.datasets import data_params as data_params
from assay.conformance.harness.pipelines.datasets import has_own_field as has_own_field
from assay.conformance.harness.pipelines.readings import Reading as Reading
from assay.conformance.harness.pipelines.readings import common_columns as common_columns
from assay.conformance.harness.pipelines.readings import epoch_length as epoch_length
from assay.conformance.harness.pipelines.readings import read_data as read_data
from assay.conformance.harness.pipelines.readings import read_examples as read_examples
