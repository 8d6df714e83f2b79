"""evalyard.settings.surroundings: proxies without passwords, and secrets by name."""

import pytest

from evalyard import Credentials, Network, PlannedFile
from tests.core.batch.jobs import SECRETS, make_job


def test_only_what_is_given_is_a_variable() -> None:
    given = Network(http_proxy="http://proxy.example:3128", no_proxy="localhost,.example")
    assert given.proxies == {"http_proxy": "http://proxy.example:3128", "no_proxy": "localhost,.example"}
    assert Network().proxies == {}


@pytest.mark.parametrize(
    "proxy", ["http://me:hunter2@proxy.example", "me:hunter2@proxy.example:3128", "http://hunter2@proxy.example"]
)
def test_a_proxys_password_has_no_place_in_a_configuration(proxy: str) -> None:
    with pytest.raises(ValueError, match="https_proxy holds a password") as raised:
        Network(https_proxy=proxy)
    assert "hunter2" not in str(raised.value)


def test_credentials_are_names_and_what_is_none_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="credentials are names of variables") as raised:
        Credentials(credentials=("HF_TOKEN", "hf_abc-secret"))
    assert "secret" not in str(raised.value)


def test_a_job_without_secrets_of_its_own_gets_a_secrets_file() -> None:
    config = PlannedFile(path="config.yaml")
    files = Credentials(credentials=("HF_TOKEN",)).secret_files(make_job(files=(config,)))
    assert files[0] == config
    assert (files[1].path, files[1].mode, [ref.variable for ref in files[1].secrets]) == (
        "smoke/.secrets.env",
        0o600,
        ["HF_TOKEN"],
    )


def test_without_credentials_the_files_of_a_job_are_as_they_were() -> None:
    assert Credentials().secret_files(make_job(files=())) == ()
    assert set(Credentials().secret_files(make_job())) == set(make_job().files)


def test_what_the_job_itself_says_of_a_variable_holds() -> None:
    assert Credentials(credentials=("KEY",)).secret_files(make_job(files=(SECRETS,))) == (SECRETS,)
