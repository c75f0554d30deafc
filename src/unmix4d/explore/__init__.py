"""A live look at a run and its scan, in the browser of this machine."""
