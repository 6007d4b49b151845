"""A sub-question read back into SQL, by one who knows the schema and the rules in wording.py, and not the query."""

import re
from collections.abc import Iterator

from macsql.database.schema import Schema, words

SET_WORDS = {", together with the ": "UNION", ", which is also the ": "INTERSECT", ", leaving out the ": "EXCEPT"}
VERBS = {  # the longer ones first
    " is not more than ": "NOT {} > {}",
    " is not at least ": "NOT {} >= {}",
    " is not less than ": "NOT {} < {}",
    " is not at most ": "NOT {} <= {}",
    " is not like ": "NOT {} LIKE {}",
    " is more than ": "{} > {}",
    " is at least ": "{} >= {}",
    " is less than ": "{} < {}",
    " is at most ": "{} <= {}",
    " is like ": "{} LIKE {}",
    " is not ": "{} <> {}",
    " is ": "{} = {}",
}
AGGREGATES = {"average ": "AVG", "total ": "SUM", "highest ": "MAX", "lowest ": "MIN", "number of ": "COUNT"}
OPERATORS = {" plus ": "+", " minus ": "-", " times ": "*", " divided by ": "/"}
SQL = re.compile(r'-(?:"[^"]+"|[a-z]\w*)|[A-Z]+\((?:"[^"]+"|\w+)\)')
QUOTED = re.compile(r"'((?:[^']|'')*)'")
VALUE_ENDS = re.compile(
    r" (?:and|or|is|where|with|in ascending|in descending|but only|for each|plus|minus|times|divided by) |, |\.$"
)


class Reader:
    """Reads one request; `sql` is what it asks for."""

    def __init__(self, text: str, schema: Schema) -> None:
        self.text, self.at, self.schema = text, 0, schema
        self.tables = {table.full_name: table for table in schema.tables}
        own = {column.full_name for table in schema.tables for column in table.columns}
        qualified = {f"{t.full_name} {column.full_name}" for t in schema.tables for column in t.columns}
        self.columns = sorted(own | qualified, key=len, reverse=True)
        self.expect("Find the ")
        self.sql = self.query(0)
        while word := self.one_of(SET_WORDS):
            self.sql += f" {SET_WORDS[word]} {self.query(0)}"
        self.expect(".")
        assert self.at == len(text), text[self.at :]

    def accept(self, part: str) -> bool:
        if not self.text.startswith(part, self.at):
            return False
        self.at += len(part)
        return True

    def expect(self, part: str) -> None:
        assert self.accept(part), f"{part!r} should stand at {self.text[self.at :]!r}"

    def one_of(self, parts) -> str:
        return next((part for part in parts if self.accept(part)), "")

    def name(self, names) -> str:
        """One of the names, in quotes or not, if it stands here as whole words."""
        for name in names:
            for spelt in (name, f'"{name}"'):
                end = self.at + len(spelt)
                if self.text.startswith(spelt, self.at) and not self.text[end : end + 1].isalnum():
                    self.at = end
                    return name
        return ""

    def query(self, depth: int) -> str:
        distinct = not depth and self.accept("different ")
        self.accept("combinations of ")
        self.read_tables: list[str] = []
        outer, self.counted = getattr(self, "counted", []), []
        items = [self.item(depth)]
        while self.accept(" and "):
            items.append(self.item(depth))
        tables = self.some_tables() if self.accept(" of ") else self.counted
        parts = [f"SELECT {'DISTINCT ' if distinct else ''}{', '.join(items)} FROM {self.joined(tables)}"]
        if self.accept(" for each "):
            parts.append(f"GROUP BY {self.items(depth)}")
            group = len(parts) - 1
        else:
            group = 0
        if self.accept(" where "):
            parts.insert(group or len(parts), f"WHERE {self.condition(depth)}")
        if self.text.startswith(" with ", self.at) and not re.match(
            r" with the (?:\d+ )?(?:high|low)est ", self.text[self.at :]
        ):
            self.accept(" with ")
            parts.append(f"HAVING {self.condition(depth)}")
        if word := self.one_of((" in ascending order of ", " in descending order of ")):
            parts.append(self.ordered(depth, "desc" in word))
        elif found := re.match(r" with the (?:(\d+) )?(high|low)est ", self.text[self.at :]):
            self.at += len(found[0])
            parts.append(f"{self.ordered(depth, found[2] == 'high')} LIMIT {found[1] or 1}")
        elif found := re.match(r" but only (\d+)", self.text[self.at :]):
            self.at += len(found[0])
            parts.append(f"LIMIT {found[1]}")
        self.counted = outer
        return re.sub(r"⟦(.*?)⟧", lambda match: self.column(match[1], tables), " ".join(parts))

    def some_tables(self) -> list[str]:
        tables = [self.name(self.tables)]
        assert tables[0], self.text[self.at :]
        while self.text.startswith(" with ", self.at):
            here = self.at
            self.at += len(" with ")
            if self.name(self.columns) or not (table := self.name(self.tables)):
                self.at = here
                break
            tables.append(table)
        return tables

    def joined(self, tables: list[str]) -> str:
        """Every table after the first over its one foreign key to those before."""
        text = f'"{self.tables[tables[0]].name}"'
        for place, said in enumerate(tables[1:], start=1):
            before = {self.tables[one].name for one in tables[:place]}
            name = self.tables[said].name
            [key] = [
                k
                for k in self.schema.foreign_keys
                if (k.table == name and k.ref_table in before) or (k.ref_table == name and k.table in before)
            ]
            text += f' JOIN "{name}" ON "{key.table}"."{key.column}" = "{key.ref_table}"."{key.ref_column}"'
        return text

    def column(self, said: str, tables: list[str]) -> str:
        found = list(self.owners(said, tables))
        assert found, f"no {said!r} in {tables}"
        if len(found) > 1:  # the same in all of them, since they are joined over it
            keys = [{(k.table, k.column), (k.ref_table, k.ref_column)} for k in self.schema.foreign_keys]
            assert set(found) in keys, f"{said!r} may be any of {found}"
        return '"{}"."{}"'.format(*found[0])

    def owners(self, said: str, tables: list[str]) -> Iterator[tuple[str, str]]:
        for table in (self.tables[name] for name in tables):
            for column in table.columns:
                if said in (column.full_name, f"{table.full_name} {column.full_name}"):
                    yield table.name, column.name

    def items(self, depth: int) -> str:
        items = [self.item(depth)]
        while self.accept(" and "):
            items.append(self.item(depth))
        return ", ".join(items)

    def ordered(self, depth: int, down: bool) -> str:
        return "ORDER BY " + ", ".join(f"{one}{' DESC' if down else ''}" for one in self.items(depth).split(", "))

    def item(self, depth: int) -> str:
        text = self.primary(depth)
        while word := self.one_of(OPERATORS):
            text += f" {OPERATORS[word]} {self.primary(depth)}"
        return text

    def primary(self, depth: int) -> str:
        if self.accept("whole record"):
            return "*"
        if self.accept("the "):
            return f"({self.query(depth + 1)})"
        if column := self.name(self.columns):
            return f"⟦{column}⟧"
        if found := SQL.match(self.text, self.at):  # no words: SQL with the columns' own names
            self.at = found.end()
            return re.sub(r'"([^"]+)"|([a-z]\w*)', lambda match: f"⟦{words(match[1] or match[2])}⟧", found[0])
        if word := self.one_of(AGGREGATES):
            distinct = "DISTINCT " if self.accept("different ") else ""
            if column := self.name(self.columns):
                return f"{AGGREGATES[word]}({distinct}⟦{column}⟧)"
            self.counted = self.some_tables()
            return "COUNT(*)"
        if found := QUOTED.match(self.text, self.at):
            value, self.at = found[1].replace("''", "'"), found.end()
        else:
            end = VALUE_ENDS.search(self.text, self.at).start()
            value, self.at = self.text[self.at : end], end
            if re.fullmatch(r"-?\d+(\.\d+)?", value):
                return value
        return "'" + value.replace("'", "''") + "'"

    def condition(self, depth: int) -> str:
        text = self.simple(depth)
        while word := self.one_of((" and ", " or ")):
            text += f"{word.upper()}{self.simple(depth)}"
        return text

    def simple(self, depth: int) -> str:
        if word := self.one_of(("there is not a ", "there is a ")):
            return f"{'NOT ' if 'not' in word else ''}EXISTS ({self.query(depth + 1)})"
        left = self.item(depth)
        for no in ("not ", ""):
            said = "NOT " if no else ""
            if self.accept(f" is {no}missing"):
                return f"{left} IS {said}NULL"
            if self.accept(f" is {no}between "):
                low = self.item(depth)
                self.expect(" and ")
                return f"{left} {said}BETWEEN {low} AND {self.item(depth)}"
            if self.accept(f" is {no}among "):
                return f"{left} {said}IN {self.item(depth)}"
            if self.accept(f" is {no}one of "):
                values = [self.item(depth)]
                while not self.text.startswith(tuple(SET_WORDS), self.at) and self.accept(", "):
                    values.append(self.item(depth))
                return f"{left} {said}IN ({', '.join(values)})"
        verb = self.one_of(VERBS)
        assert verb, self.text[self.at :]
        return VERBS[verb].format(left, self.item(depth))
