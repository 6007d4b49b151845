CREATE TABLE member (id integer PRIMARY KEY, name text, age integer, weight real, net_value integer);
INSERT INTO member VALUES (1, 'Ann', 30, 60.0, 5), (2, 'Bob', 30, 80.5, 7), (3, 'Cid', 41, NULL, 7), (4, 'Dee', 19, 60.0, 1);
CREATE TABLE visit (member_id integer REFERENCES member (id), place text, year text);
INSERT INTO visit VALUES (1, 'hall', '2019'), (1, 'hall', '2019'), (2, 'pool', '2020'), (3, 'pool', '2020');
CREATE TABLE pair (a, b, c);
INSERT INTO pair VALUES (1, 100, 'a'), (2, 200, 'b');
CREATE TABLE log (line text);
