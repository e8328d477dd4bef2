import subprocess
import sys

import tensorflow
from assay.conformance.lazy import tf


def test_lazy_module_gives_what_the_module_has():
    assert tf.constant is tensorflow.constant
    assert tf.keras.layers.Dense is tensorflow.keras.layers.Dense


def test_importing_the_suite_does_not_import_tensorflow():
    program = (
        "import sys, assay.conformance, assay.conformance.specimens; assay.conformance.all_rules(); "
        "sys.exit(bool({'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
