"""How much of each crystal every probe holds, once it is known which crystals there are."""
