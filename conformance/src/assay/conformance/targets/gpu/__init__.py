"""The GPU target without a GPU: which operations have a kernel there, from TensorFlow's own registry."""

from assay.conformance.targets.gpu.kernels import has_gpu_kernels as has_gpu_kernels
from assay.conformance.targets.gpu.kernels import without_gpu_kernel as without_gpu_kernel
