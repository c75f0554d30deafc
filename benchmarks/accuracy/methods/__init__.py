"""The methods that are compared. Each has a TITLE and ``run(scan) -> Answer``."""
