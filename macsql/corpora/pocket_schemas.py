"""The schemas and values of the pocket databases. Values come from short lists; nothing is copied from anywhere."""

from dataclasses import dataclass

# value lists of the first five databases; all their tables share them, so that few words come often
NAME = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana")
CITY = ("Lima", "Oslo", "Quito", "Riga")
COLOR = ("blue", "green", "red", "white")
SIZE = ("large", "medium", "small")
MONTH = ("April", "June", "May")
NUMBER = (10, 20, 30, 40, 50, 60, 70, 80)
# and of the others
PERSON = ("Abel Moss", "Berta Lund", "Carl Ito", "Dora Vega", "Emil Kranz", "Fay Okoro", "Gita Rao", "Hugo Blanc")
TOWN = ("Aldwick", "Bergen", "Casablanca", "Dover", "Esslingen", "Fort Green")
YEAR = (1962, 1975, 1984, 1991, 1998, 2003, 2009, 2014, 2018, 2021)
MONEY = (12.5, 18.0, 24.9, 31.0, 45.5, 60.0, 72.25, 99.0)
COUNT = (3, 7, 12, 15, 21, 28, 34, 46, 53, 68)
STATE = ("closed", "open", "planned")
DAY = ("2023-01-14", "2023-03-02", "2023-06-30", "2023-08-19", "2023-11-05", "2024-02-21", "2024-04-09", "2024-07-27")


@dataclass(frozen=True)
class Some:
    """A column whose rows draw from a list, with repeats."""

    values: tuple[str | int | float, ...]


@dataclass(frozen=True)
class Each:
    """A column in which no value comes twice."""

    values: tuple[str | int | float, ...]


@dataclass(frozen=True)
class Ref:
    """A column that refers to another table's id."""

    table: str


Tables = dict[str, tuple[int, dict[str, Some | Each | Ref]]]

# database -> table -> (rows, column -> what fills it); every table also has the primary key `id`
FIRST: dict[str, Tables] = {
    "zoo": {
        "keepers": (4, {"name": Each(NAME), "city": Some(CITY), "age": Each(NUMBER)}),
        "animals": (8, {"name": Each(NAME), "color": Some(COLOR), "weight": Each(NUMBER), "keeper_id": Ref("keepers")}),
        "visits": (8, {"month": Some(MONTH), "price": Each(NUMBER), "animal_id": Ref("animals")}),
    },
    "shop": {
        "brands": (4, {"name": Each(NAME), "city": Some(CITY), "age": Each(NUMBER)}),
        "items": (8, {"name": Each(NAME), "color": Some(COLOR), "price": Each(NUMBER), "brand_id": Ref("brands")}),
        "sales": (8, {"month": Some(MONTH), "size": Some(SIZE), "amount": Some(NUMBER), "item_id": Ref("items")}),
    },
    "school": {
        "teachers": (4, {"name": Each(NAME), "city": Some(CITY), "age": Each(NUMBER)}),
        "pupils": (8, {"name": Each(NAME), "city": Some(CITY), "score": Each(NUMBER), "teacher_id": Ref("teachers")}),
        "clubs": (6, {"name": Each(NAME), "size": Some(SIZE), "price": Each(NUMBER)}),
    },
    "port": {
        "captains": (4, {"name": Each(NAME), "city": Some(CITY), "age": Each(NUMBER)}),
        "ships": (8, {"name": Each(NAME), "color": Some(COLOR), "length": Each(NUMBER), "captain_id": Ref("captains")}),
        "trips": (8, {"month": Some(MONTH), "city": Some(CITY), "price": Some(NUMBER), "ship_id": Ref("ships")}),
    },
    "league": {
        "teams": (4, {"name": Each(NAME), "city": Each(CITY), "color": Some(COLOR)}),
        "players": (8, {"name": Each(NAME), "size": Some(SIZE), "score": Each(NUMBER), "team_id": Ref("teams")}),
        "games": (8, {"month": Some(MONTH), "amount": Each(NUMBER), "team_id": Ref("teams")}),
    },
}

# Databases that share few words with each other, for training and testing on different ones.
OTHERS: dict[str, Tables] = {
    "bakery": {
        "bakers": (6, {"full_name": Each(PERSON), "hometown": Some(TOWN), "wage": Each(COUNT)}),
        "breads": (
            8,
            {
                "bread_name": Each(
                    ("rye loaf", "white roll", "corn bread", "baguette", "pita", "naan", "focaccia", "sour dough")
                ),
                "flour": Some(("corn", "rye", "wheat")),
                "cost": Each(MONEY),
                "baker_id": Ref("bakers"),
            },
        ),
        "deliveries": (9, {"day": Each((*DAY, "2024-09-13")), "pieces": Each(COUNT), "bread_id": Ref("breads")}),
    },
    "orchard": {
        "growers": (5, {"grower_name": Each(PERSON), "village": Some(TOWN)}),
        "trees": (
            9,
            {
                "kind": Some(("apple", "cherry", "pear", "plum")),
                "planted_year": Each(YEAR),
                "height": Each(COUNT),
                "grower_id": Ref("growers"),
            },
        ),
        "harvests": (
            8,
            {
                "harvest_date": Each(DAY),
                "kilos": Each(COUNT),
                "quality": Some(("fair", "good", "poor")),
                "tree_id": Ref("trees"),
            },
        ),
    },
    "observatory": {
        "telescopes": (
            5,
            {
                "telescope_name": Each(("Argus", "Big Eye", "Cyclops", "Lynx", "Watcher")),
                "mirror_size": Each(COUNT),
                "site": Some(("desert", "island", "summit")),
            },
        ),
        "observers": (6, {"observer": Each(PERSON), "country": Some(("Chile", "India", "Kenya", "Spain"))}),
        "sightings": (
            9,
            {
                "object": Some(("comet", "galaxy", "nebula", "planet")),
                "night": Some(DAY),
                "brightness": Each((*MONEY, 5.75)),
                "telescope_id": Ref("telescopes"),
                "observer_id": Ref("observers"),
            },
        ),
    },
    "ferry": {
        "harbors": (
            5,
            {
                "HarborName": Each(("East Pier", "Old Quay", "North Dock", "Sandport", "Westhaven")),
                "Depth": Each(COUNT),
                "Island": Some(("Moro", "Skye", "Texel")),
            },
        ),
        "boats": (
            7,
            {
                "BoatName": Each(("Albatross", "Dolphin", "Gannet", "Heron", "Marlin", "Osprey", "Puffin")),
                "Seats": Each(COUNT),
                "BuiltYear": Each(YEAR),
                "HarborId": Ref("harbors"),
            },
        ),
        "crossings": (
            8,
            {
                "CrossingDate": Each(DAY),
                "Passengers": Each(COUNT),
                "Weather": Some(("calm", "foggy", "stormy")),
                "BoatId": Ref("boats"),
            },
        ),
    },
    "archive": {
        "boxes": (
            5,
            {
                "label": Each(("A17", "B02", "C33", "D45", "E08")),
                "shelf": Each(COUNT),
                "building": Some(("annex", "cellar", "main hall")),
            },
        ),
        "letters": (
            8,
            {
                "sender": Each(PERSON),
                "written_on": Each(DAY),
                "pages": Each(COUNT),
                "language": Some(("Danish", "Greek", "Latin")),
                "box_id": Ref("boxes"),
            },
        ),
    },
    "clinic": {
        "nurses": (
            5,
            {"nurse_name": Each(PERSON), "ward": Some(("east", "north", "west")), "years_employed": Each(COUNT)},
        ),
        "beds": (
            8,
            {
                "bed_code": Each(("N1", "N2", "E1", "E2", "E3", "W1", "W2", "W3")),
                "state": Some(("broken", "free", "taken")),
                "nurse_id": Ref("nurses"),
            },
        ),
        "stays": (8, {"arrival": Each(DAY), "nights": Each(COUNT), "bill": Each(MONEY), "bed_id": Ref("beds")}),
    },
    "quarry": {
        "pits": (
            5,
            {
                "pit_name": Each(("Black Hole", "Deep Cut", "Grey Wall", "Red Face", "Stony End")),
                "depth_m": Each(COUNT),
                "status": Some(STATE),
            },
        ),
        "blocks": (
            9,
            {
                "rock_type": Some(("granite", "marble", "slate")),
                "tons": Each(COUNT),
                "value": Each((*MONEY, 110.5)),
                "pit_id": Ref("pits"),
            },
        ),
        "trucks": (
            6,
            {
                "plate": Each(("KR 114", "LM 208", "NB 377", "PT 456", "RS 590", "VW 613")),
                "load_limit": Each(COUNT),
                "pit_id": Ref("pits"),
            },
        ),
    },
    "choir": {
        "sections": (4, {"section_name": Each(("alto", "bass", "soprano", "tenor")), "leader": Each(PERSON)}),
        "singers": (
            8,
            {"singer": Each(PERSON), "joined": Each(YEAR), "town": Some(TOWN), "section_id": Ref("sections")},
        ),
        "recitals": (
            7,
            {"recital_day": Each(DAY), "audience": Each(COUNT), "place": Some(("chapel", "park", "town hall"))},
        ),
    },
    "workshop": {
        "benches": (5, {"bench_number": Each(COUNT), "room": Some(("attic", "garage", "shed"))}),
        "tools": (
            8,
            {
                "tool_name": Each(("chisel", "drill", "file", "hammer", "lathe", "plane", "saw", "wrench")),
                "maker": Some(("Bolt & Co", "Ironside", "Steelman")),
                "price_paid": Each(MONEY),
                "bench_id": Ref("benches"),
            },
        ),
        "repairs": (
            8,
            {
                "repair_day": Each(DAY),
                "minutes": Each(COUNT),
                "reason": Some(("blunt", "loose", "rusty")),
                "tool_id": Ref("tools"),
            },
        ),
    },
    "aquarium": {
        "tanks": (
            5,
            {
                "tank": Each(("Amazon", "Arctic", "Coral Bay", "Lagoon", "Reef Wall")),
                "liters": Each(COUNT),
                "floor": Some(("ground", "lower", "upper")),
            },
        ),
        "creatures": (
            9,
            {
                "species": Some(("eel", "ray", "seahorse", "turtle")),
                "nickname": Each((*NAME, "Ivo")),
                "born": Each(YEAR),
                "tank_id": Ref("tanks"),
            },
        ),
        "feedings": (
            8,
            {
                "fed_on": Each(DAY),
                "grams": Each(COUNT),
                "food": Some(("algae", "krill", "shrimp")),
                "creature_id": Ref("creatures"),
            },
        ),
    },
    "vineyard": {
        "cellars": (
            5,
            {
                "cellar_name": Each(("Hilltop", "Old Mill", "Riverside", "St Anna", "Windrose")),
                "founded": Each(YEAR),
                "valley": Some(("Douro", "Mosel", "Napa")),
            },
        ),
        "wines": (
            8,
            {
                "wine": Each(("Aurora", "Black Swan", "Clair", "Duke", "Ember", "Feather", "Golden Hour", "Hollow")),
                "grape": Some(("Merlot", "Riesling", "Syrah")),
                "bottle_price": Each(MONEY),
                "cellar_id": Ref("cellars"),
            },
        ),
        "tastings": (8, {"taster": Each(PERSON), "points": Each(COUNT), "wine_id": Ref("wines")}),
    },
    "railway": {
        "depots": (
            4,
            {"Depot_Name": Each(("Ash Lane", "Broad Street", "Canal Side", "Dale End")), "Tracks": Each(COUNT)},
        ),
        "engines": (
            8,
            {
                "Engine_Code": Each(("X10", "X22", "Y35", "Y41", "Z50", "Z66", "Q07", "Q18")),
                "Fuel": Some(("coal", "diesel", "electric")),
                "Top_Speed": Each(COUNT),
                "Depot_ID": Ref("depots"),
            },
        ),
        "runs": (
            9,
            {
                "Run_Date": Each((*DAY, "2024-10-01")),
                "Delay_Minutes": Each(COUNT),
                "Line": Some(("coastal", "express", "valley")),
                "Engine_ID": Ref("engines"),
            },
        ),
    },
    "museum_shop": {
        "makers": (
            5,
            {
                "maker_name": Each(("Atelier Nord", "Clay Works", "Loom House", "Paper Moon", "Studio Six")),
                "since_year": Each(YEAR),
                "region": Some(("Alps", "Bohemia", "Lapland")),
            },
        ),
        "articles": (
            9,
            {
                "article": Each(("bowl", "candle", "kite", "mug", "notebook", "poster", "puzzle", "scarf", "vase")),
                "material": Some(("clay", "paper", "silk", "wax")),
                "retail_price": Each((*MONEY, 8.4)),
                "maker_id": Ref("makers"),
            },
        ),
        "receipts": (
            8,
            {"sold_on": Each(DAY), "units": Each(COUNT), "cashier": Some(PERSON[:4]), "article_id": Ref("articles")},
        ),
    },
    "beehives": {
        "keepers": (
            5,
            {
                "keeper": Each(PERSON),
                "phone_number": Each(("555-0142", "555-0177", "555-0113", "555-0168", "555-0125")),
            },
        ),
        "hives": (
            8,
            {
                "hive_label": Each(("H-01", "H-02", "H-03", "H-04", "H-05", "H-06", "H-07", "H-08")),
                "meadow": Some(("clover hill", "lime avenue", "south field")),
                "frames": Each(COUNT),
                "keeper_id": Ref("keepers"),
            },
        ),
        "honeys": (
            8,
            {
                "jar_date": Each(DAY),
                "weight_kg": Each(MONEY),
                "taste": Some(("mild", "spicy", "strong")),
                "hive_id": Ref("hives"),
            },
        ),
    },
    "newspaper": {
        "editors": (
            5,
            {"EditorName": Each(PERSON), "Desk": Some(("culture", "politics", "sports")), "Salary": Each(COUNT)},
        ),
        "stories": (
            9,
            {
                "Headline": Each(
                    (
                        "Bridge opens",
                        "Cold spring",
                        "Fair returns",
                        "Goalless draw",
                        "Lights out",
                        "New mayor",
                        "River rises",
                        "Strike ends",
                        "Trees fall",
                    )
                ),
                "Words": Each(COUNT),
                "Printed": Some(DAY),
                "EditorId": Ref("editors"),
            },
        ),
        "letters_to_editor": (
            7,
            {"Writer": Each(PERSON), "Tone": Some(("angry", "kind", "witty")), "StoryId": Ref("stories")},
        ),
    },
}

DATABASES: dict[str, Tables] = {**FIRST, **OTHERS}
