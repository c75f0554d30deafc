"""Room of the ePattern filter: backgrounds, registration of spots into a table, reconstruction from it."""
