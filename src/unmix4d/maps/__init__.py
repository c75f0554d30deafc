"""Which crystal is where, and where crystals overlap."""
