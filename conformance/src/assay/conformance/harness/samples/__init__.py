"""Samples `(y_true, y_pred)`: their domains, and new batches that stay within them."""

from assay.conformance.harness.samples.batch import Batch as Batch
from assay.conformance.harness.samples.batch import Layout as Layout
from assay.conformance.harness.samples.batch import Leaf as Leaf
from assay.conformance.harness.samples.describe import describe as describe
from assay.conformance.harness.samples.domains import CATEGORICAL as CATEGORICAL
from assay.conformance.harness.samples.domains import ELEMENTWISE as ELEMENTWISE
from assay.conformance.harness.samples.domains import Domain as Domain
from assay.conformance.harness.samples.growing import is_categorical as is_categorical
from assay.conformance.harness.samples.growing import opposed as opposed
from assay.conformance.harness.samples.growing import perfect as perfect
from assay.conformance.harness.samples.growing import saturated as saturated
from assay.conformance.harness.samples.growing import softmax as softmax
from assay.conformance.harness.samples.growing import varied as varied
from assay.conformance.harness.samples.growing import wrong as wrong
from assay.conformance.harness.samples.sample import Sample as Sample
from assay.conformance.harness.samples.sample import sample_of as sample_of
