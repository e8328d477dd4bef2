"""Converts annotated images, in the forms that people have them in, to TFRecord files with Model Garden's keys."""
