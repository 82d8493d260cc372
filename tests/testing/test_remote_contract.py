"""The contract of remotes: of the fake one in memory and over HTTP, and of our own server."""

from __future__ import annotations

from typing import ClassVar

import pytest

from alertstore.testing import FakeRemote, FakeRemoteServer, RemoteContract


class TestContractInMemory(RemoteContract):
    @pytest.fixture
    def remote(self, fake_remote):
        return fake_remote


class TestContractOverHttp(RemoteContract):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls, connect):
        with FakeRemoteServer(FakeRemote()) as server:
            yield connect(server.url, server.key)


class TestContractOfServe(RemoteContract):
    """`alertstore serve --policy permissive`, one store for all of the tests."""

    departures: ClassVar = {
        "test_the_description_is_not_taken": "a description is kept as the alert's",
        "test_the_same_override_again_moves_the_token": "the same override again changes nothing",
        "test_reopening_keeps_the_classification": "what is not Closed has no classification and no closed_at",
        "test_a_classification_alone_is_taken": "a classification of what is not Closed is refused",
        "test_repeated_tags_are_kept": "repeats are dropped",
        "test_the_log_says_whose_key_it_was": "there is one key, and the log names none",
        "test_the_log_says_nothing_of_tags": "every change is in the log",
        "test_what_was_deleted_comes_in_as_new": "a record that was seen is known for ever",
    }

    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls, connect, tmp_path_factory):
        for package in ("starlette", "uvicorn"):
            pytest.importorskip(package, reason=f"{package} is not installed (extra serve)")
        import served

        with served.running(tmp_path_factory.mktemp("served") / "served.db") as port:
            yield connect(f"http://127.0.0.1:{port}", served.KEY)


def test_departures_are_of_tests_that_exist():
    assert [name for name in TestContractOfServe.departures if not hasattr(RemoteContract, name)] == []
