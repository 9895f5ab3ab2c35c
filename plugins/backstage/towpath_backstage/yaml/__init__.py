"""Foreign YAML turned into JSON data, with a budget for everything and a line for every node.

It knows YAML and nothing of entities: what the data means is for its callers.
"""

from towpath_backstage.yaml.documents import parse_documents
from towpath_backstage.yaml.limits import YamlLimits
from towpath_backstage.yaml.lines import escaped
from towpath_backstage.yaml.scalars import shown
from towpath_backstage.yaml.trees import Path, collections, pointer_of, rebuilt

__all__ = (
    "Path",
    "YamlLimits",
    "collections",
    "escaped",
    "parse_documents",
    "pointer_of",
    "rebuilt",
    "shown",
)
