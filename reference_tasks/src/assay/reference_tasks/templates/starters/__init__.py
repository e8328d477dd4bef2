"""What stands in a copy of each reference task in the place of its data and experiments; `starter` is the new name."""
