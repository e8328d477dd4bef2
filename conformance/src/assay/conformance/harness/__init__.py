"""The harness: small pieces that build a duck-typed subject, run it in each mode, and record what happened."""

from assay.conformance.harness.calls import calling as calling
from assay.conformance.harness.calls import require as require
from assay.conformance.harness.compiling import Refusal as Refusal
from assay.conformance.harness.compiling import compiled as compiled
from assay.conformance.harness.compiling import refusal_of as refusal_of
from assay.conformance.harness.creations import recording_variables as recording_variables
from assay.conformance.harness.flavour import flavour_of as flavour_of
from assay.conformance.harness.flavour import keras_for as keras_for
from assay.conformance.harness.flavour import metric_variables_in as metric_variables_in
from assay.conformance.harness.graphs import Operation as Operation
from assay.conformance.harness.graphs import operations as operations
from assay.conformance.harness.loss_total import total_loss as total_loss
from assay.conformance.harness.replacements import calls_host as calls_host
from assay.conformance.harness.replacements import replacement_for as replacement_for
from assay.conformance.harness.strategies import strategy_for as strategy_for
from assay.conformance.harness.values import as_numpy as as_numpy
