CREATE TABLE vessel (vessel_id INTEGER PRIMARY KEY, name TEXT, built INTEGER, seats INTEGER);
CREATE TABLE landing (landing_id INTEGER PRIMARY KEY, name TEXT, bank TEXT);
CREATE TABLE crossing (
    crossing_id INTEGER PRIMARY KEY,
    vessel_id INTEGER REFERENCES vessel (vessel_id),
    from_landing INTEGER REFERENCES landing (landing_id),
    day TEXT, departure TEXT, delay INTEGER, passengers INTEGER, bicycles INTEGER,
    cargo TEXT, weather TEXT, captain TEXT, "ticket price" REAL
);
CREATE TABLE inspection (inspection_id INTEGER PRIMARY KEY, vessel_id INTEGER REFERENCES vessel (vessel_id), day TEXT, result TEXT);

INSERT INTO vessel VALUES (1, 'Aurelia', 1968, 80), (2, 'Blue Heron', 1991, 240), (3, 'Castor', 2003, 120), (4, 'Dunlin', NULL, 60);
INSERT INTO landing VALUES (1, 'Altmarkt', 'left'), (2, 'Oststeg', 'right'), (3, 'Weir', 'left');
INSERT INTO crossing VALUES
    (1, 1, 1, '2019-05-01', '07:10', 0, 55, 4, 'mail', 'fog', 'I. Brandt', 1.5),
    (2, 1, 2, '2019-05-01', '07:40', 5, 12, 0, NULL, 'clear', 'I. Brandt', 1.5),
    (3, 2, 1, '2019-05-02', '08:10', NULL, 200, 9, 'milk', 'fog', 'O. Lund', 2.0),
    (4, 3, 3, '2019-05-02', '08:40', 2, 70, 1, NULL, 'rain', 'S. Maric', 2.0),
    (5, 2, 2, '2019-05-03', '09:10', 0, 110, 2, 'mail', 'clear', 'O. Lund', 2.5);
INSERT INTO inspection VALUES (1, 1, '2018-11-20', 'repair'), (2, 2, '2018-11-21', 'passed'), (3, 3, '2018-11-22', 'passed');
