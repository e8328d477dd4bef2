"""Digit scenes: handwritten digits pasted onto photographs, with boxes, instance masks and label maps."""
