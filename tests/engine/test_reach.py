from __future__ import annotations

import time

import pytest

from towpath_engine.catalog.reach import leads_to

GIT = "git+file:///srv/shop.git/-/blob/main"


@pytest.mark.parametrize(
    ("target", "file"),
    [
        ("/srv/all.yaml", "/srv/all.yaml"),
        ("file:///srv/all.yaml", "/srv/all.yaml"),
        ("/srv/shop", "/srv/shop/catalog-info.yaml"),
        ("/srv/shop/", "/srv/shop/catalog-info.yml"),
        ("/srv/*/catalog-info.yaml", "/srv/shop/catalog-info.yaml"),
        ("/srv/**/catalog-info.yaml", "/srv/catalog-info.yaml"),
        ("/srv/**/catalog-info.yaml", "/srv/a/b/catalog-info.yaml"),
        ("/srv/**/**/*.yaml", "/srv/a.yaml"),
        ("/srv/a*b*c.yaml", "/srv/aXbbYc.yaml"),
        ("/srv/*-?.yaml", "/srv/a-b.yaml"),
        (f"{GIT}/a.yaml", f"{GIT}/a.yaml"),
        ("git+file:///srv/shop.git/-/tree/main", f"{GIT}/catalog-info.yaml"),
        ("git+file:///srv/shop.git/-/tree/main/**/x.yaml", f"{GIT}/deep/er/x.yaml"),
    ],
)
def test_a_target_leads_to_a_file(target: str, file: str) -> None:
    assert leads_to(target, file)


@pytest.mark.parametrize(
    ("target", "file"),
    [
        ("/srv/all.yaml", "/srv/all.yml"),
        ("/srv/shop", "/srv/shop-2/catalog-info.yaml"),
        ("/srv/shop", "/srv/shop/api.yaml"),
        ("/srv/*/catalog-info.yaml", "/srv/a/b/catalog-info.yaml"),
        ("/srv/*.yaml", "/srv/a.yamlx"),
        ("/srv/**/x.yaml", "/srv/ax.yaml"),
        ("/srv/?.yaml*", "/srv/.yaml"),
        ("", "/srv/a.yaml"),
    ],
)
def test_a_target_does_not_lead_to_a_file(target: str, file: str) -> None:
    assert not leads_to(target, file)


@pytest.mark.parametrize(
    "target",
    ["/**" * 1300 + "/x", "/" + "*a" * 2000 + "b", "/" + "**/*a" * 800],
    ids=["folders", "stars", "both"],
)
def test_a_hostile_pattern_takes_no_time(target: str) -> None:
    begun = time.process_time()
    leads_to(target, "/a" * 2000)
    leads_to(target, "/" + "a" * 4000)
    assert time.process_time() - begun < 2.5
