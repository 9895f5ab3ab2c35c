"""Descriptor files from web servers and from the pages of code hosts."""
