"""The OpenAPI 3.1 document: what each operation takes and gives, and the document of them all."""
