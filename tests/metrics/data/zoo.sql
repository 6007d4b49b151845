CREATE TABLE keeper (keeper_id INTEGER PRIMARY KEY, name TEXT, since INTEGER);
CREATE TABLE species (species_id INTEGER PRIMARY KEY, name TEXT, legs INTEGER);
CREATE TABLE animal (
    animal_id INTEGER PRIMARY KEY,
    name TEXT,
    species_id INTEGER REFERENCES species (species_id),
    keeper_id INTEGER REFERENCES keeper (keeper_id),
    sex TEXT,
    born INTEGER,
    weight REAL,
    food TEXT,
    meals INTEGER,
    house TEXT,
    arrived TEXT,
    value INTEGER
);
INSERT INTO keeper VALUES (1, 'Ada', 2001), (2, 'Ben', 2010), (3, 'Cleo', 2018);
INSERT INTO species VALUES (1, 'lion', 4), (2, 'ostrich', 2), (3, 'python', 0);
INSERT INTO animal VALUES
    (1, 'Simba', 1, 1, 'm', 2012, 190.5, 'meat', 1, 'A', '2013-05-01', 900),
    (2, 'Nala', 1, 2, 'f', 2014, 140.0, 'meat', 1, 'A', '2015-02-11', 800),
    (3, 'Otto', 2, 2, 'm', 2018, 110.0, 'grain', 3, 'B', '2018-09-30', 15),
    (4, 'Kaa', 3, 3, 'f', 2009, 45.5, 'mice', 1, 'C', '2010-01-17', 5);
