"""The TPU target: ahead-of-time compilation by the real TPU compiler, which runs on any machine."""

from assay.conformance.targets.tpu.compiler import CompiledProgram as CompiledProgram
from assay.conformance.targets.tpu.compiler import CompilerMissingError as CompilerMissingError
from assay.conformance.targets.tpu.compiler import CompilerRefusedError as CompilerRefusedError
from assay.conformance.targets.tpu.compiler import CompilerUndecidedError as CompilerUndecidedError
from assay.conformance.targets.tpu.compiler import compile_program as compile_program
from assay.conformance.targets.tpu.compiler import require_compiler as require_compiler
from assay.conformance.targets.tpu.compiler import warm_up as warm_up
from assay.conformance.targets.tpu.topologies import DEFAULT_TOPOLOGY as DEFAULT_TOPOLOGY
from assay.conformance.targets.tpu.topologies import TOPOLOGIES as TOPOLOGIES
from assay.conformance.targets.tpu.topologies import Topology as Topology
from assay.conformance.targets.tpu.topologies import parse_topology as parse_topology
