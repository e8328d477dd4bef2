"""Generated scenes, shared by the starters of tasks that look for objects."""
