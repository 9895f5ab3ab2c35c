"""Make a service and a database for it. Started again with the same name, it goes on.

Usage: service_with_database.py NAME
"""

import sys

from towpath_sdk import Conflict, Platform


def main(name: str) -> None:
    with Platform.from_env() as platform:
        run = platform.templates.create(
            "python-service", {"name": name}, idempotency_key=f"example-{name}-service"
        )
        run = platform.runs.wait(run.id, timeout=120)
        print("repository:", run.output["remoteUrl"])

        try:
            plan = platform.plans.create("postgres-database", f"{name}-db")
        except Conflict:
            print("database: there already")
            return
        for change in plan.changes:
            print("will", change.action, change.target)
        begun = platform.plans.apply(plan.id, plan.hash)
        platform.runs.wait(begun.run_id, timeout=120)

        bound = platform.resources.bind(begun.resource_id, name="service")
        platform.runs.wait(bound.run_id, timeout=120)
        credentials = platform.bindings.credentials(bound.binding_id)
        # Shown this once: hand them to the place where secrets are kept.
        print("database:", credentials.values["host"], credentials.values["database"])


if __name__ == "__main__":
    main(sys.argv[1])
