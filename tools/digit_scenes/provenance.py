"""Where the pixels of the scenes come from, and under which licences."""

from tools.digit_scenes import scene
from tools.digit_scenes.records import JPEG_QUALITY

COCO_INFO = {
    "description": "Digit scenes: handwritten digits pasted onto crops of two photographs",
    "version": "1.0",
    "year": 2026,
    "contributor": "tools/make_digit_scenes.py",
}
COCO_LICENSES = [
    {
        "id": 1,
        "name": "Photographs by danielbuechele and vultilion, CC BY 2.0, changed; "
        "digits by Ethem Alpaydin and Cenk Kaynak, CC BY 4.0, changed",
        "url": "https://creativecommons.org/licenses/by/2.0/",
    }
]

_PAGE = """\
# Provenance of the digit scenes

| | |
|---|---|
| what | {train} training and {validation} validation images of {size}x{size} pixels with handwritten digits in \
them; boxes, instance masks and label maps |
| written by | `python -m tools.make_digit_scenes` |
| digits | Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, its test part; Ethem Alpaydin \
and Cenk Kaynak, Bogazici University, 1998; DOI [10.24432/C50P49](https://doi.org/10.24432/C50P49); copied from \
`sklearn.datasets.load_digits` |
| licence of the digits | [Creative Commons Attribution 4.0](https://creativecommons.org/licenses/by/4.0/) (CC BY \
4.0) |
| photographs | `china.jpg` by [danielbuechele](https://www.flickr.com/photos/danielbuechele/6061409035/), \
`flower.jpg` by [vultilion](https://www.flickr.com/photos/vultilion/6056698931/); copied from \
`sklearn.datasets.load_sample_images` |
| licence of the photographs | [Creative Commons Attribution 2.0](https://creativecommons.org/licenses/by/2.0/) (CC \
BY 2.0) |

## What was changed

- Photographs: a square of {crops[0]} to {crops[1]} pixels is cut out at random, resized to {size}x{size}, mirrored
  half of the time, its brightness multiplied by {brightness[0]} to {brightness[1]}.
- Digits: the 8x8 counts of ink become a smooth shape of {sizes[0]} to {sizes[1]} pixels, turned by up to 25 degrees,
  in a random colour that stands out from what it covers, shaded and slightly transparent, pasted over what lies
  there.
- Images are JPEG files of quality {quality}; masks and label maps are PNG files.

## What there is

- Classes: 0 is the background, 1 to 10 are the digits 0 to 9 (`zero` to `nine`).
- A mask holds what is visible of a digit: pixels covered by half or more, and by nothing in front. A box is the tight
  box of the mask, an area the number of its pixels. At least {visible:.0%} of each digit is visible.
- {empty:.0%} of the scenes have no digit, {crowd:.0%} have a crowd: many small digits of one class as one object with
  `is_crowd`.
- Nothing is shared between the splits: the digits are those of the same split of `classification/data/digits`, and
  training shows columns {train_columns[0]} to {train_columns[1]} of the photographs (the last one exclusive),
  validation {validation_columns[0]} to {validation_columns[1]}. Both splits may hold digits of the same writers.
- Scene `n` of a split follows from `numpy.random.RandomState([{seed}, split, n])` alone, where `split` is 0 for
  training and 1 for validation. Scene `n` is in shard `n` modulo the number of shards.

## Keys of a record

`image/encoded`, `image/format` (jpeg), `image/height`, `image/width`, `image/filename`, `image/source_id`,
`image/key/sha256`, `image/segmentation/class/{{encoded,format}}` (png), `image/object/bbox/{{ymin,xmin,ymax,xmax}}`
(shares of the sides), `image/object/class/{{label,text}}`, `image/object/area` (pixels), `image/object/is_crowd`,
`image/object/mask` (png). The `instances_*.json` files say the same in COCO's format.

## Files

| file | sha256 |
|---|---|
{files}
"""


def provenance(counts: dict[str, int], digests: dict[str, str]) -> str:
    """Return the text of PROVENANCE.md.

    Args:
        counts: Number of scenes of each split.
        digests: SHA-256 of each file, by its name.
    """
    return _PAGE.format(
        **counts,
        size=scene.SIZE,
        crops=scene.CROP_SIDES,
        brightness=scene.BRIGHTNESS,
        sizes=scene.DIGIT_SIZES,
        quality=JPEG_QUALITY,
        visible=scene.LEAST_VISIBLE,
        empty=scene.EMPTY_SHARE,
        crowd=scene.CROWD_SHARE,
        train_columns=scene.PHOTO_COLUMNS["train"],
        validation_columns=scene.PHOTO_COLUMNS["validation"],
        seed=scene.SCENE_SEED,
        files="\n".join(f"| {name} | `{digest}` |" for name, digest in digests.items()),
    )
