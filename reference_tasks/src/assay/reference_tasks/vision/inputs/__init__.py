"""Images from files or folders, as a dataset that repeats exactly and can be resumed anywhere."""

from assay.reference_tasks.vision.inputs.config import DetectionInputConfig as DetectionInputConfig
from assay.reference_tasks.vision.inputs.config import SegmentationInputConfig as SegmentationInputConfig
from assay.reference_tasks.vision.inputs.config import VisionDataConfig as VisionDataConfig
from assay.reference_tasks.vision.inputs.detection import DetectionDecoder as DetectionDecoder
from assay.reference_tasks.vision.inputs.paths import InputFilesError as InputFilesError
from assay.reference_tasks.vision.inputs.pipeline import make_dataset as make_dataset
from assay.reference_tasks.vision.inputs.pipeline import make_sources as make_sources
from assay.reference_tasks.vision.inputs.reader import Reader as Reader
from assay.reference_tasks.vision.inputs.reader import Record as Record
from assay.reference_tasks.vision.inputs.reader import Shard as Shard
from assay.reference_tasks.vision.inputs.readers import make_detection_reader as make_detection_reader
from assay.reference_tasks.vision.inputs.readers import make_segmentation_reader as make_segmentation_reader
from assay.reference_tasks.vision.inputs.segmentation import SegmentationDecoder as SegmentationDecoder
from assay.reference_tasks.vision.inputs.source_ids import numeric_source_id as numeric_source_id
from assay.reference_tasks.vision.inputs.tfrecords import TFRecordReader as TFRecordReader
