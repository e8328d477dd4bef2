"""Each subject in a process of its own: what one patches, breaks or never returns from does not reach the others."""

from assay.conformance.isolation.parent import check_isolated as check_isolated
