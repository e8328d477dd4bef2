"""What the tasks on images share: backbones, decoders, configuration, readers and image operations."""
