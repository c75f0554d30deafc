"""The explorer: a script for the browser, and a run as it reads it."""
