"""The keys of a labelled image."""

LABEL = "label"
"""Key of a label in a record: int64 scalar."""
LABEL_KEY = "image/class/label"
"""Its feature key in a `tf.train.Example`."""
NO_LABEL = -1
"""What an example without a label gets, as in Model Garden; the parser refuses it."""
