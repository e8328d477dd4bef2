"""Labelled images from files, folders or arrays, as a dataset that repeats exactly and can be resumed anywhere."""

from assay.reference_tasks.classification.inputs.arrays import ArraysReader as ArraysReader
from assay.reference_tasks.classification.inputs.image_folder import ImageFolderReader as ImageFolderReader
from assay.reference_tasks.classification.inputs.parser import Parser as Parser
from assay.reference_tasks.classification.inputs.pipeline import make_dataset as make_dataset
from assay.reference_tasks.classification.inputs.pipeline import make_reader as make_reader
from assay.reference_tasks.classification.inputs.tfrecords import TFRecordReader as TFRecordReader
from assay.reference_tasks.vision.inputs.paths import InputFilesError as InputFilesError
from assay.reference_tasks.vision.inputs.reader import Reader as Reader
from assay.reference_tasks.vision.inputs.reader import Shard as Shard
