"""Files and phantoms as scans."""
