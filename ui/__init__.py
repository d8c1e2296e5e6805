"""The web page: upload, listen, look, download."""
