"""From a scan to a matrix of patterns: checks, masks, cropping, binning, filters."""
