"""Print how many components each group owns, most first."""

from collections import Counter

from towpath_sdk import Platform


def main() -> None:
    owners: Counter[str] = Counter()
    with Platform.from_env() as platform:
        for entity in platform.entities.list(filter="kind=component", order="metadata.name"):
            owners.update(edge.target_ref for edge in entity.relations if edge.type == "ownedBy")
    for owner, count in owners.most_common():
        print(f"{count:4}  {owner}")


if __name__ == "__main__":
    main()
