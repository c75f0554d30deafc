"""The procedure of the paper's published scripts, word for word: what ``--mode paper`` shows beside our answer."""
