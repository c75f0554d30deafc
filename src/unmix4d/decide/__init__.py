"""How many components and crystals there are, and why."""
