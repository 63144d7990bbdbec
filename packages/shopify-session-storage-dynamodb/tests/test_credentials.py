"""Why credentials fail is said, and what they are is not."""

import pickle
import re

import pytest
from shopify_session_storage import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage_dynamodb import DynamoDBSessionStorage

CONFIG = """
[profile sso]
sso_session = company
sso_account_id = 123456789012
sso_role_name = developer
[profile old_sso]
sso_start_url = https://company.awsapps.com/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = developer
[sso-session company]
sso_start_url = https://company.awsapps.com/start
sso_region = us-east-1
[profile source]
role_arn = arn:aws:iam::123456789012:role/app
source_profile = nowhere
[profile half]
aws_access_key_id = AKIAEXAMPLE
[profile identity]
role_arn = arn:aws:iam::123456789012:role/app
web_identity_token_file = /nowhere/token
[profile loop]
role_arn = arn:aws:iam::123456789012:role/app
source_profile = loop2
[profile loop2]
role_arn = arn:aws:iam::123456789012:role/app
source_profile = loop
[profile unknown]
role_arn = arn:aws:iam::123456789012:role/app
credential_source = Moon
[profile process]
credential_process = sh -c "echo shpat_secret >&2; exit 1"
"""


@pytest.fixture
def _no_aws(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.asyncio
@pytest.mark.usefixtures("_no_aws")
async def test_missing_credentials_and_region_are_told():
    with pytest.raises(SessionStorageUnavailableError, match=r"NoRegionError.*AWS_DEFAULT_REGION"):
        await DynamoDBSessionStorage().ready()
    storage = DynamoDBSessionStorage(client_options={"region_name": "eu-west-1"})
    with pytest.raises(SessionStorageUnavailableError, match=r"NoCredentials.*AWS_ACCESS_KEY_ID"):
        await storage.ready()
    assert await storage.load_session("id") is None


@pytest.fixture
def aws_config(monkeypatch, tmp_path):
    """Set up a machine with the profiles above, and no credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return tmp_path / "config"


async def failure_of(profile: str, monkeypatch) -> SessionStorageError:
    monkeypatch.setenv("AWS_PROFILE", profile)
    options = {"endpoint_url": "http://127.0.0.1:9"}
    storage = DynamoDBSessionStorage(client_options=options, on_error="raise")
    with pytest.raises(SessionStorageUnavailableError) as caught:
        await storage.load_session("offline_a")
    await storage.disconnect()
    return caught.value


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("sso", "SSO Token.*aws sso login"),
        ("old_sso", "SSO.*aws sso login"),
        ("source", "nowhere"),
        ("half", "aws_secret_access_key"),
        ("identity", "/nowhere/token"),
        ("loop", "loop"),
        ("unknown", "Moon|source"),
        ("absent", "config profile .absent. could not be found"),
    ],
)
async def test_why_credentials_fail_is_said(aws_config, monkeypatch, profile, told):
    error = await failure_of(profile, monkeypatch)
    _, _, message = str(error).partition("offline_a")
    assert re.search(told, message), message
    pickle.loads(pickle.dumps(error.__cause__))


@pytest.mark.asyncio
async def test_config_file_that_cannot_be_read_is_named(aws_config, monkeypatch):
    aws_config.write_text("[profile broken\nthis is = no = config [")
    error = await failure_of("broken", monkeypatch)
    assert str(aws_config) in str(error)


@pytest.mark.asyncio
async def test_what_a_credential_process_prints_is_not_told(aws_config, monkeypatch):
    error = await failure_of("process", monkeypatch)
    assert "CredentialRetrievalError" in str(error)
    shown = (
        f"{error!r} {error.__cause__!r} {vars(error.__cause__)!r} {error.__cause__.__context__!r}"
    )
    assert "secret" not in shown
    assert b"secret" not in pickle.dumps(error.__cause__)
