"""`/api/scaffolder`, as Backstage has it: actions, forms, and runs seen as tasks."""
