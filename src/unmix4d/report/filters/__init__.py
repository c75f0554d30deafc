"""What a comparison of filters writes: figures, tables, one page, and the folder that holds them."""
