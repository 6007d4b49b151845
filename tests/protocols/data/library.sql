-- A small library: NULLs, numbers stored as text, a view, a counter table, names that need care.
CREATE TABLE Author (author_id INTEGER PRIMARY KEY AUTOINCREMENT, Name TEXT, country TEXT, born INTEGER);
CREATE TABLE book (book_id INTEGER PRIMARY KEY, title TEXT, author_id INTEGER, editor_id INTEGER, year TEXT,
                   price REAL, pages INTEGER, market_value REAL);
CREATE TABLE member (member_id INTEGER PRIMARY KEY, name TEXT, city TEXT, "count" INTEGER, "home town" TEXT);
CREATE TABLE loan (loan_id INTEGER PRIMARY KEY, book_id INTEGER, member_id INTEGER, year INTEGER, days INTEGER);
CREATE VIEW cheap AS SELECT title FROM book WHERE price < 10;
INSERT INTO Author (Name, country, born) VALUES
    ('Anna Berg', 'Norway', 1931), ('Bo Lind', 'Sweden', 1950), ('Cleo Dark', 'Norway', NULL), ('Bo Lind', NULL, 1950);
INSERT INTO book VALUES
    (1, 'Snow', 1, 2, '1999', 12.5, 200, 3.0), (2, 'Rain', 1, NULL, '2001', 8.0, 320, NULL),
    (3, 'Wind', 2, 1, '2001', 8.0, NULL, 7.5), (4, 'Tide', 3, 3, NULL, NULL, 150, 1.0),
    (5, 'rain', NULL, 2, '2010', 30.0, 90, 2.0);
INSERT INTO member VALUES
    (1, 'Ida', 'Oslo', 2, 'Bergen'), (2, 'Jon', 'Lund', NULL, NULL), (3, 'Kai', NULL, 5, 'Oslo'), (4, 'Ida', 'Oslo', 0, 'Lund');
INSERT INTO loan VALUES
    (1, 1, 1, 2001, 10), (2, 2, 1, 2001, NULL), (3, 3, 2, 2010, 30), (4, 3, 3, 1999, 5), (5, NULL, 4, 2010, 30),
    (6, 5, 2, NULL, 14);
