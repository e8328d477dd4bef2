"""Images from files or folders, as a dataset that repeats exactly and can be resumed anywhere."""

from assay.reference_tasks.vision.inputs.config import VisionDataConfig as VisionDataConfig
from assay.reference_tasks.vision.inputs.paths import InputFilesError as InputFilesError
from assay.reference_tasks.vision.inputs.pipeline import make_dataset as make_dataset
from assay.reference_tasks.vision.inputs.pipeline import make_sources as make_sources
from assay.reference_tasks.vision.inputs.reader import Reader as Reader
from assay.reference_tasks.vision.inputs.reader import Record as Record
from assay.reference_tasks.vision.inputs.reader import Shard as Shard
from assay.reference_tasks.vision.inputs.tfrecords import TFRecordReader as TFRecordReader
