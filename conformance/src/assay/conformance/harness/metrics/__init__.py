"""Keras metrics under check: made, fed, read, compared, on one replica or two."""

from assay.conformance.harness.metrics.comparing import agrees as agrees
from assay.conformance.harness.metrics.comparing import difference as difference
from assay.conformance.harness.metrics.comparing import shown as shown
from assay.conformance.harness.metrics.component import RESULT as RESULT
from assay.conformance.harness.metrics.component import Metric as Metric
from assay.conformance.harness.metrics.component import Numbers as Numbers
from assay.conformance.harness.metrics.component import adapted as adapted
from assay.conformance.harness.metrics.component import documents_nan as documents_nan
from assay.conformance.harness.metrics.component import evaluate as evaluate
from assay.conformance.harness.metrics.component import fresh as fresh
from assay.conformance.harness.metrics.component import make_metric as make_metric
from assay.conformance.harness.metrics.component import numbers as numbers
from assay.conformance.harness.metrics.component import placed as placed
from assay.conformance.harness.metrics.component import require_weights as require_weights
from assay.conformance.harness.metrics.component import result as result
from assay.conformance.harness.metrics.component import result_of_new as result_of_new
from assay.conformance.harness.metrics.component import row_weights as row_weights
from assay.conformance.harness.metrics.component import takes_weights as takes_weights
from assay.conformance.harness.metrics.component import tensors as tensors
from assay.conformance.harness.metrics.component import to_float64 as to_float64
from assay.conformance.harness.metrics.component import update as update
from assay.conformance.harness.metrics.configs import config_of as config_of
from assay.conformance.harness.metrics.configs import rebuild as rebuild
from assay.conformance.harness.metrics.replicas import ReplicatedMetric as ReplicatedMetric
