"""The rules for input pipelines; a Task answers to them too, through its `build_inputs`."""
