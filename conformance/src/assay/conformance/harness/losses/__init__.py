"""The harness for losses: a loss with its reduction switched, its values and gradients in any mode, and probes."""

from assay.conformance.harness.losses.comparing import compare_with_eager as compare_with_eager
from assay.conformance.harness.losses.component import DEFAULT as DEFAULT
from assay.conformance.harness.losses.component import MEAN as MEAN
from assay.conformance.harness.losses.component import NONE as NONE
from assay.conformance.harness.losses.component import SUM as SUM
from assay.conformance.harness.losses.component import LossComponent as LossComponent
from assay.conformance.harness.losses.component import as_tensors as as_tensors
from assay.conformance.harness.losses.component import component as component
from assay.conformance.harness.losses.component import has_reduction as has_reduction
from assay.conformance.harness.losses.component import make_loss as make_loss
from assay.conformance.harness.losses.component import new_component as new_component
from assay.conformance.harness.losses.component import require_weights as require_weights
from assay.conformance.harness.losses.component import switched as switched
from assay.conformance.harness.losses.component import to_float64 as to_float64
from assay.conformance.harness.losses.probes import coupling as coupling
from assay.conformance.harness.losses.probes import require_independent_examples as require_independent_examples
from assay.conformance.harness.losses.probes import row_weights as row_weights
from assay.conformance.harness.losses.probes import summed as summed
from assay.conformance.harness.losses.probes import unreduced as unreduced
from assay.conformance.harness.losses.replicas import parts_of as parts_of
from assay.conformance.harness.losses.replicas import replica_outputs as replica_outputs
from assay.conformance.harness.losses.values import Gradient as Gradient
from assay.conformance.harness.losses.values import gradient as gradient
from assay.conformance.harness.losses.values import output as output
from assay.conformance.harness.losses.values import value as value
