"""A small correct storage whose sessions other processes see."""

import fcntl
import os
import pickle
import weakref
from pathlib import Path
from tempfile import mkstemp

from .storages import Backend, OpeningStorage


class FileBackend(Backend):
    """Is there as long as the object."""

    def __init__(self):
        super().__init__()
        descriptor, name = mkstemp()
        os.close(descriptor)
        self.file = Path(name)
        self.file.write_bytes(pickle.dumps({}))
        weakref.finalize(self, self.file.unlink)


class FileStorage(OpeningStorage):
    """Keeps sessions in a file."""

    make_backend = FileBackend

    async def send(self, work, argument):
        async def in_the_file(argument):
            with self.backend.file.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self.backend.rows = pickle.load(file)
                before = dict(self.backend.rows)
                result = await work(argument)  # in which nothing is waited for
                if self.backend.rows != before:
                    file.seek(0)
                    file.truncate()
                    pickle.dump(self.backend.rows, file)
            return result

        return await super().send(in_the_file, argument)
