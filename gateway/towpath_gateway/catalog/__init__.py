"""`/api/catalog`, as Backstage has it, and the catalog's part of `/api/v1`."""
