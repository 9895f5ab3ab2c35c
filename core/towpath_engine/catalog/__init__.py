"""The catalog: reading sources, keeping entities, answering from memory."""
