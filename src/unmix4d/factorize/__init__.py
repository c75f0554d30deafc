"""From a matrix to component patterns and weights, for every k."""
