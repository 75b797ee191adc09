"""What is sold in the demo, and what its people and firms are called."""

from typing import Final

# Price range in minor units, how often it is bought, how it swings through the year, how often it goes wrong.
CATEGORIES: Final = {
    "plumbing": (1500, 2800, 5, 0.1, 1.0),
    "roofing": (2400, 4500, 2, 0.6, 1.7),
    "painting": (1000, 2200, 3, 0.4, 0.9),
    "house cleaning": (700, 1500, 5, 0.1, 0.7),
    "landscaping": (900, 2000, 4, 0.8, 1.0),
    "handyman": (800, 1800, 4, 0.1, 0.9),
    "electrical": (1500, 2900, 3, 0.1, 0.8),
    "moving": (1800, 3600, 2, 0.5, 1.4),
}
DESCRIPTIONS: Final = {
    "plumbing": (
        "Leak under the kitchen sink",
        "New water heater",
        "Minor leak in the wall",
        "Clogged drain",
    ),
    "roofing": (
        "Shingles blown off by the storm",
        "Whole roof, about 2,000 square feet",
        "Leak at the chimney",
    ),
    "painting": ("Two bedrooms and a hallway", "Outside of a small house", "Kitchen cabinets"),
    "house cleaning": ("Weekly cleaning, three rooms", "Move-out cleaning", "Deep cleaning before a party"),
    "landscaping": ("Hedge and lawn, every other week", "Take down a dead tree", "New beds along the fence"),
    "handyman": ("Hang five doors", "Assemble furniture", "Fix the back gate"),
    "electrical": ("Three new outlets", "Lights in the basement", "Charger for an electric car"),
    "moving": ("Two rooms across town", "One piano, third floor", "Family of four, next month"),
}
FIRST: Final = (
    "Ana", "Ben", "Cara", "Dev", "Ella", "Finn", "Gus", "Hana", "Ivy", "Jonas", "Kim", "Lia", "Max",
    "Nora", "Omar", "Pia", "Quinn", "Rosa", "Sam", "Tess", "Uma", "Vic", "Wes", "Yara", "Zoe",
)  # fmt: skip
LAST: Final = (
    "Abbott", "Brooks", "Chen", "Diaz", "Evans", "Foster", "Garcia", "Hughes", "Irwin", "Jensen", "Khan",
    "Lopez", "Moss", "Novak", "Ortiz", "Park", "Quigley", "Reyes", "Singh", "Turner", "Underwood",
    "Vega", "Wu", "Young", "Zimmer",
)  # fmt: skip
FIRMS: Final = ("Services", "& Sons", "Home Care", "Brothers", "Works", "Crew", "Pros")
