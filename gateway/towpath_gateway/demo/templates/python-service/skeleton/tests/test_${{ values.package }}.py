"""Tests of ${{ values.name }}."""

import unittest

from ${{ values.package }}.__main__ import answer


class AnswerTest(unittest.TestCase):
    def test_health(self) -> None:
        self.assertEqual(answer("/healthz"), (200, {"status": "ok"}))

    def test_unknown_path(self) -> None:
        self.assertEqual(answer("/nope")[0], 404)
