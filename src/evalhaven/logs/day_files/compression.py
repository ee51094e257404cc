"""How the bytes of calls are in a day file: zstd, with a dictionary that was trained on calls like them.

A call is too short to be compressed well by itself; a dictionary holds what calls have in common. A new file takes
over that of the file before it, and gets its own once it has enough calls to learn from.
"""

import sqlite3
from typing import Any

import zstandard

_LEVEL = 3
_DICTIONARY_BYTES = 64 * 1024
_SAMPLES, _SAMPLE_BYTES = 2_000, 16 * 1024
NO_DICTIONARY = 0


class Codec:
    """Compresses and decompresses calls of one file, in one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._compressors: dict[int, zstandard.ZstdCompressor] = {}
        self._decompressors: dict[int, zstandard.ZstdDecompressor] = {}

    def newest(self) -> int:
        """Return the number of the newest dictionary."""
        return self._connection.execute("SELECT max(number) FROM dictionaries").fetchone()[0] or NO_DICTIONARY

    def compress(self, dictionary: int, data: bytes) -> bytes:
        """Return data, compressed with a dictionary."""
        compressor = self._compressors.get(dictionary)
        if compressor is None:
            trained = self._trained(dictionary)
            compressor = zstandard.ZstdCompressor(_LEVEL, dict_data=trained, write_dict_id=False)
            self._compressors[dictionary] = compressor
        return compressor.compress(data)

    def decompress(self, dictionary: int, data: bytes) -> bytes:
        """Return the data that was compressed with a dictionary."""
        decompressor = self._decompressors.get(dictionary)
        if decompressor is None:
            decompressor = zstandard.ZstdDecompressor(dict_data=self._trained(dictionary))
            self._decompressors[dictionary] = decompressor
        return decompressor.decompress(data)

    def learn(self, fewest: int, fewest_with_anothers: int) -> None:
        """Give the file a dictionary of its own, if it has none and has enough calls.

        Args:
            fewest: How many are enough for a file without any dictionary.
            fewest_with_anothers: How many are enough for one that has the dictionary of another file.
        """
        (owned, known) = self._connection.execute(
            "SELECT coalesce(max(is_own), 0), count(*) FROM dictionaries"
        ).fetchone()
        (calls,) = self._connection.execute("SELECT calls FROM volume").fetchone()
        if owned or calls < (fewest_with_anothers if known else fewest):
            return
        newest = "SELECT dictionary, data FROM calls WHERE data IS NOT NULL ORDER BY row DESC LIMIT ?"
        rows = self._connection.execute(newest, (_SAMPLES,)).fetchall()
        samples: list[Any] = [self.decompress(dictionary, data)[:_SAMPLE_BYTES] for dictionary, data in rows]
        try:
            trained = zstandard.train_dictionary(_DICTIONARY_BYTES, samples, level=_LEVEL)
        except zstandard.ZstdError:  # calls that have nothing in common, or nothing else
            return
        self._connection.execute("INSERT INTO dictionaries (is_own, data) VALUES (1, ?)", (trained.as_bytes(),))

    def newest_data(self) -> bytes | None:
        """Return the newest dictionary; None if there is none."""
        found = self._connection.execute("SELECT data FROM dictionaries ORDER BY number DESC LIMIT 1").fetchone()
        return None if found is None else found[0]

    def _trained(self, dictionary: int) -> zstandard.ZstdCompressionDict | None:
        if dictionary == NO_DICTIONARY:
            return None
        found = self._connection.execute("SELECT data FROM dictionaries WHERE number = ?", (dictionary,)).fetchone()
        if found is None:
            raise sqlite3.DatabaseError(f"its dictionary {dictionary} is missing")
        return zstandard.ZstdCompressionDict(found[0])
