"""Checks of the rows of a source, one by one before anything is evaluated, and warnings about rows that pass."""

from dataclasses import dataclass

from evalhaven.domain.evals import Caution
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.sample_forms import is_readable
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.template_checks import is_marked, marked_key_problem
from evalhaven.runs.rows.parsing import RowError, is_bare_item, parse_row

_SOURCE = "/data_source/source"
_SAMPLES_IGNORED = (
    "Rows have a 'sample', which is ignored: the run has a 'model' and samples anew. To grade the samples of "
    "the rows, leave out 'model' and 'input_messages'."
)
_BARE_ITEMS = (
    "No row has the key 'item' or 'sample': each row is taken for the item itself. To send samples too, and to "
    'be read the same everywhere, write each row as {"item": {…}}.'
)
_NOT_STRINGS = (
    "{count} {rows} a boolean, a number or null where the item schema declares a string, the first is {first}. They "
    "are accepted, and templates show such a value as JSON text; declare its type in the item schema, or refuse such "
    "rows with ?strict=true."
)
_UNREADABLE = (
    "{count} {rows} a 'sample' in which no model's answer is found, the first is {first}: 'sample.output_text' and "
    "other values derived from an answer are missing. Send it as 'output_text', or as a chat completion, a Responses "
    "object or the 'sample' of an output item."
)


@dataclass(slots=True)
class Notices:
    """What to warn of in the rows of one source, in memory that does not grow with them."""

    has_ignored_samples: bool = False
    are_bare: bool = False
    not_strings: int = 0
    first_not_string: str = ""
    unreadable: int = 0
    first_unreadable: str = ""
    marked_key: str = ""
    first_marked: str = ""

    @property
    def cautions(self) -> list[Caution]:
        """Return the run's warnings about its rows."""
        told: list[str] = []
        if self.marked_key:
            told.append(f"{marked_key_problem(self.marked_key)} The first such row is {self.first_marked}.")
        if self.are_bare:
            told.append(_BARE_ITEMS)
        if self.has_ignored_samples:
            told.append(_SAMPLES_IGNORED)
        for count, first, sentence in (
            (self.not_strings, self.first_not_string, _NOT_STRINGS),
            (self.unreadable, self.first_unreadable, _UNREADABLE),
        ):
            if count:
                told.append(sentence.format(count=count, rows="row has" if count == 1 else "rows have", first=first))
        return [Caution(_SOURCE, message) for message in told]


class RowChecker:
    """Checks the rows of one source, in their order."""

    def __init__(self, schema: ItemSchema, *, is_sampled: bool, is_strict: bool, are_bare: bool) -> None:
        """Check nothing yet.

        Args:
            schema: The schema that items must satisfy.
            is_sampled: Whether the run asks a model for its samples.
            is_strict: Whether a scalar where the schema declares a string is refused.
            are_bare: Whether the rows are items themselves, as found by `BareItemSearch`.
        """
        self._schema = schema
        self._is_sampled = is_sampled
        self._is_strict = is_strict
        self.notices = Notices(are_bare=are_bare)

    def check(self, text: bytes, place: str) -> None:
        """Check one row.

        Args:
            text: The row.
            place: What messages call the row, such as `row 0`.

        Raises:
            RowError: The text is not a row, or its item does not satisfy the schema; the message names JSON pointers.
        """
        row = parse_row(text, may_be_bare=self.notices.are_bare)
        if not self._schema.is_valid(row.item):
            self._note_not_strings(row.item, place)
        # A byte order mark is at the beginning of a table, so only the first column has it.
        if not self.notices.marked_key and is_marked(first := next(iter(row.item), "")):
            self.notices.marked_key, self.notices.first_marked = first, place
        if row.recorded is None:
            return
        if self._is_sampled:
            self.notices.has_ignored_samples = True
        elif not is_readable(row.recorded):
            self.notices.unreadable += 1
            self.notices.first_unreadable = self.notices.first_unreadable or place

    def _note_not_strings(self, item: JsonValue, place: str) -> None:
        if self._is_strict or not self._schema.is_loosely_valid(item):
            raise RowError(f"its item does not match the item schema: {'; '.join(self._schema.problems(item))}.")
        self.notices.not_strings += 1
        if not self.notices.first_not_string:
            self.notices.first_not_string = f"{place} at {self._schema.first_fault(item)}"


class BareItemSearch:
    """Finds out whether rows are items themselves: none has the key `item` or `sample`, and some are objects."""

    def __init__(self) -> None:
        self._has_objects = False
        self._has_keys = False

    @property
    def are_bare(self) -> bool:
        """Return whether rows are bare, going by the rows seen so far."""
        return self._has_objects and not self._has_keys

    def look(self, text: bytes) -> bool:
        """Look at one more row; return False once further rows cannot change the result."""
        is_bare = is_bare_item(text)
        self._has_objects = self._has_objects or is_bare is not None
        self._has_keys = is_bare is False
        return not self._has_keys
