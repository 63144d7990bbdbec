"""A project whose migrations Alembic writes."""

from pathlib import Path

import alembic
from alembic import command
from alembic.config import Config
from sqlalchemy import (
    MetaData,
    Table,
)

from .conftest import table_name

ENV = """
from alembic import context

attributes = context.config.attributes
metadata = attributes["metadata"]
names = {table.name for table in metadata.tables.values()}
context.configure(
    attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    include_name=lambda name, kind, _: kind != "table" or name in names,
    version_table=attributes["version_table"],
)
with context.begin_transaction():
    context.run_migrations()
"""


class Alembic:
    """A project's migrations, for the tables of *metadata*."""

    def __init__(self, directory, metadata):
        self._config = Config()
        self._config.set_main_option("script_location", str(directory))
        self._config.set_main_option("path_separator", "os")
        template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
        (directory / "versions").mkdir(parents=True)
        (directory / "env.py").write_text(ENV)
        (directory / "script.py.mako").write_text(template.read_text())
        self.versions = MetaData()
        version = Table(table_name(), self.versions)
        self._config.attributes |= {"metadata": metadata, "version_table": version.name}
        self.version = version

    def migrate(self, connection):
        """Write a migration by autogenerate, and apply it."""
        self._config.attributes["connection"] = connection
        command.revision(self._config, autogenerate=True)
        command.upgrade(self._config, "head")

    def check(self, connection):
        """See that there is nothing to migrate; else it raises."""
        self._config.attributes["connection"] = connection
        command.check(self._config)
