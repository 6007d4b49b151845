"""The words that random databases are made of: things, what is said of them, and lists of values.

Lists of one's own stand here; names of people, places, firms and jobs and a thousand common words come from Faker
(MIT licence). Nothing comes from a benchmark.
"""

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Fill = Literal["text", "whole", "real", "year", "date", "flag", "code", "choice"]


@dataclass(frozen=True)
class Trait:
    """Something that is said of a thing: a column to be."""

    name: str  # in words
    fill: Fill
    source: str = ""  # text: a list of `values`; choice: its values, or a list's name
    low: float = 0
    high: float = 0


def _traits(text: str) -> dict[str, list[Trait]]:
    """`kind: name = fill source | ...` line by line."""
    kinds: dict[str, list[Trait]] = {}
    for line in text.strip().splitlines():
        kind, _, rest = line.partition(":")
        for part in rest.split("|"):
            name, _, spec = part.partition("=")
            fill, _, source = spec.strip().partition(" ")
            low, high = 0.0, 0.0
            if fill in ("whole", "real", "year"):
                low, high = map(float, source.split())
                source = ""
            kinds.setdefault(kind.strip(), []).append(Trait(name.strip(), fill, source.strip(), low, high))  # type: ignore[arg-type]
    return kinds


# kind of thing -> what is said of it, the naming trait first
TRAITS = _traits("""
person: name = text person | age = whole 16 90 | gender = choice gender | city = text city | country = text country | email = text email
person: phone = text phone | birth year = year 1930 2008 | birth date = date | height = whole 150 210 | weight = whole 45 130
person: salary = whole 20000 150000 | nationality = choice nationality | hometown = text city | birthplace = text city | years of experience = whole 0 40
person: first name = text first | last name = text last | job = text job | title = choice honorific | hire date = date | marital status = choice marital
person: points = whole 0 500 | rank = whole 1 100 | level = whole 1 10 | score = real 0 100 | income = whole 15000 200000 | address = text street | active = flag
person: specialty = text skill | language = choice language | education = choice education | bonus = whole 100 9000 | start year = year 1985 2024 | wins = whole 0 60
person: party = choice party | blood type = choice blood | eye color = choice color | position = choice position | rating = real 1 10 | votes = whole 10 90000
place: name = text place | city = text city | country = text country | state = text state | population = whole 500 9000000 | area = real 1 90000
place: elevation = whole 0 5000 | capacity = whole 50 90000 | opened = year 1850 2024 | opening year = year 1850 2024 | address = text street | region = choice region
place: latitude = real -90 90 | longitude = real -180 180 | rating = real 1 5 | status = choice status | type = choice placetype | owner = text company
place: number of rooms = whole 1 400 | floors = whole 1 90 | height = whole 3 500 | zip code = code | climate = choice climate | manager = text person
place: annual visitors = whole 1000 5000000 | entry fee = real 0 60 | density = real 1 9000 | founded = year 1100 1990 | mayor = text person | capital = text city
place: average attendance = whole 100 60000 | time zone = choice timezone | district = choice region | depth = whole 5 3000 | temperature = real -20 40
product: name = text product | price = real 1 900 | cost = real 1 500 | color = choice color | size = choice size | weight = real 0.1 90 | brand = text company
product: stock = whole 0 900 | quantity = whole 1 500 | category = choice category | material = choice material | rating = real 1 5 | model = code | release year = year 1990 2024
product: discount = whole 0 70 | warranty = whole 1 60 | manufacturer = text company | country of origin = text country | description = text phrase | code = code
product: available = flag | calories = whole 20 900 | length = real 1 300 | width = real 1 200 | flavor = choice flavor | launch date = date | power = whole 10 900
product: horsepower = whole 50 700 | mileage = whole 1000 200000 | fuel type = choice fuel | speed = whole 40 350 | storage = whole 8 2048 | sales = whole 10 90000
event: name = text event | date = date | year = year 1950 2024 | location = text city | venue = text place | attendance = whole 20 90000 | duration = whole 10 600
event: start date = date | end date = date | budget = whole 1000 900000 | status = choice status | theme = text phrase | type = choice eventtype | season = choice season
event: host = text company | day = choice weekday | month = choice month | time = text clock | ticket price = real 5 300 | result = choice result | score = whole 0 120
event: winner = text person | prize = whole 100 500000 | distance = real 1 400 | cost = real 50 9000 | round = whole 1 12 | rating = real 1 10 | weather = choice weather
event: notes = text phrase | cancelled = flag | participants = whole 2 4000 | organizer = text person | amount = real 5 5000
group: name = text company | founded = year 1850 2022 | city = text city | country = text country | industry = choice industry | revenue = real 0.5 900
group: employees = whole 3 90000 | budget = whole 5000 9000000 | headquarters = text city | website = text url | phone = text phone | type = choice grouptype
group: profit = real -50 400 | market value = real 1 900 | ceo = text person | rank = whole 1 500 | members = whole 5 5000 | status = choice status | chairman = text person
group: established = year 1800 2020 | assets = real 1 2000 | number of offices = whole 1 90 | stock price = real 1 900 | league = choice category | wins = whole 0 80
work: title = text title | year = year 1900 2024 | genre = choice genre | language = choice language | pages = whole 20 1200 | rating = real 1 10 | price = real 3 90
work: author = text person | director = text person | artist = text person | publisher = text company | release date = date | duration = whole 2 240 | copies sold = whole 100 900000
work: budget = real 0.1 300 | gross = real 0.1 900 | country = text country | format = choice format | views = whole 100 9000000 | status = choice status | topic = text phrase
work: number of episodes = whole 1 300 | edition = whole 1 12 | word count = whole 500 90000 | license = choice licence | version = real 1 9 | likes = whole 0 90000
record: date = date | amount = real 1 9000 | status = choice status | quantity = whole 1 90 | type = choice category | payment method = choice payment | total = real 5 20000
record: start date = date | end date = date | fee = real 1 500 | due date = date | description = text phrase | priority = choice priority | code = code | hours = whole 1 60
record: balance = real -500 90000 | interest rate = real 0.5 15 | grade = choice grade | semester = choice season | year = year 1990 2024 | score = whole 0 100 | paid = flag
record: number = code | comment = text phrase | rating = whole 1 5 | distance = real 1 900 | weight = real 0.2 80 | tax = real 0 400 | delivered = flag | shift = choice shift
nature: name = text nature | length = whole 5 6800 | area = real 1 90000 | height = whole 10 8800 | depth = whole 1 9000 | country = text country | state = text state
nature: habitat = choice habitat | color = choice color | lifespan = whole 1 120 | weight = real 0.1 6000 | family = text nature | status = choice conservation | diet = choice diet
nature: discovered = year 1700 2020 | region = choice region | speed = real 1 120 | population = whole 10 900000 | volume = real 1 9000 | temperature = real -200 900 | mass = real 1 900
""")

THINGS = {
    "person": """actor artist author athlete coach customer client doctor driver employee engineer farmer guest guide instructor
        judge lawyer manager member musician nurse officer owner patient person photographer pilot player professor
        researcher resident reviewer sailor scientist soldier speaker staff student supplier teacher technician tenant
        tourist trainer user visitor volunteer voter worker writer candidate agent assistant borrower buyer seller
        dancer editor explorer inspector inventor lecturer librarian mechanic passenger painter composer""",
    "place": """airport apartment beach branch building bridge campsite castle church cinema city clinic country county district
        dormitory factory farm gallery garden gym harbor hospital hotel house island laboratory library lodge market
        museum office park plant port property province region resort restaurant room school shop site stadium station
        state store street studio suburb theater town venue village warehouse winery zoo neighborhood""",
    "product": """aircraft appliance bike boat book camera car chemical component computer course device dish drink drug engine
        equipment furniture gadget game garment gift instrument item jewel laptop machine material meal medicine
        menu motorcycle package part phone plan product recipe robot service ship shoe software tool toy train treatment
        truck vaccine vehicle weapon wine battery cheese cake sensor ticket""",
    "event": """accident appointment auction battle booking campaign ceremony championship class competition concert conference
        contest crash debate election event exhibition experiment festival flight incident interview lesson
        match meeting mission party performance project race season session show storm survey tour tournament training
        trial trip visit voyage war workshop broadcast expedition""",
    "group": """agency airline association bank brand broker charity club college committee company council crew department
        division family firm foundation franchise institute league manufacturer ministry orchestra organization
        partner party publisher sponsor squad team tribe union unit university vendor band company faculty""",
    "work": """album article blog cartoon chapter comic document essay episode film journal lecture magazine movie music novel
        painting paper patent photo play podcast poem post program report review script series song story video
        website newspaper opera sculpture app""",
    "record": """account assignment award bill booking budget card claim complaint contract delivery donation enrollment exam
        grade inspection insurance invoice investment invitation license loan log membership order payment permit
        policy prescription purchase rating receipt registration rental request reservation result salary sale
        schedule shipment statement subscription task test transaction transfer treatment vote warranty""",
    "nature": """animal bird breed cat cave crop desert dog fish flower forest fruit galaxy glacier horse insect lake mineral
        moon mountain ocean peak pet planet plant reef river rock sea species star tree valley vegetable volcano
        whale spider canyon""",
}  # fmt: skip

CHOICES = {name: tuple(part.strip() for part in values.split(",")) for name, values in {
    "gender": "Male, Female", "nationality": "French, German, Italian, Spanish, Japanese, Chinese, Indian, Brazilian, Mexican, Canadian, British, Dutch",
    "honorific": "Mr, Mrs, Ms, Dr, Prof", "marital": "single, married, divorced, widowed", "language": "English, French, German, Spanish, Italian, Arabic, Hindi, Greek",
    "education": "bachelor, master, doctorate, high school, diploma", "party": "Green, Liberal, Labor, Unity, Reform, Progress", "blood": "A, B, AB, O",
    "color": "red, blue, green, white, black, yellow, brown, gray, orange, purple, silver, gold, pink", "position": "captain, defender, forward, keeper, midfielder, left wing, right wing, center",
    "region": "North, South, East, West, Central, Northeast, Northwest, Southeast, Coastal, Inland", "status": "open, closed, pending, active, inactive, completed, cancelled, approved, rejected, on hold",
    "placetype": "public, private, indoor, outdoor, historic, modern, commercial, residential", "climate": "tropical, dry, temperate, continental, polar",
    "timezone": "UTC, CET, EST, PST, GMT, JST", "size": "small, medium, large, extra large", "category": "A, B, C, basic, premium, standard, special, gold, silver, regular, express",
    "material": "wood, steel, glass, cotton, plastic, leather, stone, paper, wool, copper", "flavor": "vanilla, lemon, mint, cherry, caramel, ginger", "fuel": "diesel, petrol, electric, hybrid, gas",
    "eventtype": "final, semifinal, friendly, charity, annual, online, local, national", "season": "spring, summer, autumn, winter, Fall, Spring", "weekday": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday",
    "month": "January, February, March, April, May, June, July, August, September, October, November, December", "result": "win, loss, draw, Win, Lose, Tie", "weather": "sunny, rainy, cloudy, windy, snow, fog",
    "industry": "banking, retail, energy, media, software, mining, transport, health care, insurance, telecom, agriculture, oil and gas", "grouptype": "public, private, nonprofit, government, cooperative",
    "genre": "drama, comedy, horror, romance, science fiction, jazz, rock, pop, folk, classical, thriller, fantasy, history, poetry, blues", "format": "mp3, pdf, paperback, hardcover, vinyl, digital, DVD, mp4",
    "licence": "free, paid, open, academic", "payment": "cash, credit card, check, transfer, voucher, debit card", "priority": "low, medium, high, urgent", "grade": "A, B, C, D, F, A+, B-",
    "shift": "day, night, morning, evening", "habitat": "forest, river, desert, ocean, mountain, grassland, swamp, lake", "conservation": "endangered, vulnerable, stable, extinct, rare",
    "diet": "carnivore, herbivore, omnivore, insects, fish, seeds",
}.items()}  # fmt: skip

# What a column may be called instead, in a schema or by someone who asks
SYNONYMS = {
    "name": ("label", "full name", "title"), "city": ("town", "location"), "country": ("nation", "nationality"),
    "price": ("cost", "unit price"), "salary": ("pay", "wage"), "phone": ("phone number", "telephone"), "quantity": ("amount", "count"),
    "birth date": ("date of birth", "birthday"), "birth year": ("year of birth", "year born"), "category": ("kind", "type", "class"), "address": ("street address",),
    "founded": ("foundation year", "year founded"), "rating": ("score", "stars"), "duration": ("length", "running time"), "employees": ("number of employees", "employee count"),
    "gender": ("sex",), "population": ("number of inhabitants", "inhabitants"), "elevation": ("altitude",), "area": ("surface area", "size"),
    "start date": ("from date", "begin date"), "end date": ("to date", "finish date"), "description": ("details", "summary"), "status": ("state",),
    "manufacturer": ("maker", "producer"), "revenue": ("income", "turnover"), "year": ("calendar year",), "job": ("occupation", "profession"),
    "quantity ": ("number",), "attendance": ("number of attendees", "crowd"), "stock": ("stock level", "units in stock"), "owner": ("holder",),
}  # fmt: skip

SHORT = {
    "number": "num", "quantity": "qty", "description": "desc", "department": "dept", "address": "addr", "average": "avg", "amount": "amt",
    "customer": "cust", "employee": "emp", "product": "prod", "name": "nm", "date": "dt", "category": "cat", "account": "acct",
    "telephone": "tel", "phone": "ph", "birth": "dob", "year": "yr", "status": "stat", "country": "ctry", "manager": "mgr",
    "student": "stu", "population": "pop", "organization": "org", "company": "comp", "transaction": "trans", "position": "pos",
    "temperature": "temp", "latitude": "lat", "longitude": "long", "maximum": "max", "minimum": "min", "order": "ord", "price": "prc",
    "university": "univ", "capacity": "cap", "percent": "pct", "weight": "wt", "height": "ht", "language": "lang", "version": "ver",
}  # fmt: skip

SKILLS = "painting, chess, surgery, welding, cooking, physics, algebra, history, nursing, marketing, design, law, statistics, logistics, music, swimming, sculpture, botany, finance, robotics"
_NATURE = (
    "oak, cedar, maple, birch, otter, falcon, heron, salmon, trout, lynx, badger, granite, quartz, basalt, tulip, orchid, daisy, "
    "apple, mango, barley, wheat, tiger, zebra, koala, raven, eagle, cobra, panther, coral, amber, jasper, opal, willow, fern"
)


@lru_cache(maxsize=1)
def common() -> tuple[str, ...]:
    """About a thousand common English words."""
    from faker.providers.lorem.en_US import Provider

    return tuple(
        sorted({word.lower() for word in Provider.word_list if word.isascii() and word.isalpha() and len(word) > 2})
    )


@lru_cache(maxsize=1)
def _lists() -> dict[str, tuple[str, ...]]:
    """Lists of values by name."""
    from faker.providers.address.en_US import Provider as Address
    from faker.providers.job import Provider as Job
    from faker.providers.person.en_US import Provider as Person

    def known(words: object) -> tuple[str, ...]:
        return tuple(sorted({str(word) for word in words if str(word).isascii()}))  # type: ignore[attr-defined]

    return {
        "first": known(Person.first_names),
        "last": known(Person.last_names),
        "country": tuple(word for word in known(Address.countries) if len(word) < 20),
        "state": known(Address.states),
        "job": tuple(word for word in known(Job.jobs) if len(word) < 25 and "," not in word),
        "prefix": known(Address.city_prefixes),
        "suffix": known(Address.city_suffixes),
        "street": known(Address.street_suffixes),
        "skill": tuple(SKILLS.split(", ")),
        "nature": tuple(_NATURE.split(", ")),
    }


_SYLLABLES = "ba be bi bo da de di do fa fe ga go ha ho ka ke ki ko la le li lo ma me mi mo na ne ni no pa pe po ra re ri ro sa se si so ta te ti to va ve vi wa ya yo za zo lan ber ton mar sel vin gor den ral mon tis nor vel".split()  # noqa: E501, SIM905


def invented(rng: random.Random) -> str:
    """A word that no list has: two to four syllables."""
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(2, 4)))


def text_value(rng: random.Random, source: str) -> str:
    """A value from one of the lists, or made from several of them."""
    lists = _lists()

    def pick(name: str) -> str:
        return rng.choice(lists[name])

    def word() -> str:
        return (rng.choice(common()) if rng.random() < 0.8 else invented(rng)).capitalize()

    match source:
        case "person":
            return f"{pick('first')} {pick('last')}" if rng.random() < 0.8 else pick("first")
        case "city":
            draw = rng.random()
            return (
                f"{pick('last')}{pick('suffix')}"
                if draw < 0.4
                else f"{pick('prefix')} {pick('last')}"
                if draw < 0.6
                else invented(rng).capitalize()
            )
        case "company":
            return rng.choice(
                (
                    f"{pick('last')} {rng.choice(('Inc', 'Ltd', 'Group', 'and Sons', 'LLC'))}",
                    f"{word()} {word()}",
                    word(),
                )
            )
        case "place":
            return rng.choice(
                (
                    f"{word()} {rng.choice(('Hall', 'Park', 'Center', 'House', 'Point', 'Hill', 'Square'))}",
                    f"{pick('last')} {word()}",
                    word(),
                )
            )
        case "product":
            return rng.choice(
                (word(), f"{word()} {rng.randint(1, 99)}", f"{word()} {word()}", f"{word().lower()} {word().lower()}")
            )
        case "event":
            return rng.choice(
                (f"{word()} {rng.choice(('Cup', 'Open', 'Day', 'Festival', 'Summit', 'Prix'))}", f"{word()} {word()}")
            )
        case "title":
            return " ".join(word() for _ in range(rng.randint(1, 4)))
        case "phrase":
            return " ".join(word().lower() for _ in range(rng.randint(1, 4)))
        case "street":
            return f"{rng.randint(1, 999)} {pick('last')} {pick('street')}"
        case "email":
            return f"{pick('first').lower()}@{invented(rng)}.com"
        case "url":
            return f"www.{invented(rng)}.com"
        case "phone":
            return f"{rng.randint(100, 999)}-{rng.randint(100, 999)}-{rng.randint(1000, 9999)}"
        case "clock":
            return f"{rng.randint(0, 23):02}:{rng.choice((0, 15, 30, 45)):02}"
        case "nature":
            return rng.choice(
                (pick("nature"), pick("nature").capitalize(), f"{word()} {pick('nature').capitalize()}", invented(rng))
            )
        case "word":
            return word().lower()
        case "invented":
            return invented(rng)
    return pick(source)


# SQL's own words, which make an odd name for a table
RESERVED = frozenset(("order", "group", "select", "from", "where", "table", "index", "values", "in", "on", "as", "by", "to", "all", "case", "check", "set", "join", "and", "or", "not", "union", "between", "then", "when", "else", "having", "limit", "into", "is", "like", "transaction", "default", "references", "exists"))  # fmt: skip  # noqa: E501


def singular(spoken: str) -> str:
    """A table's words for one row."""
    from macsql.grammar.plurals import one

    return one(spoken)
