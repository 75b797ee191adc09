"""What pros and customers write to each other, by how the story goes: one list of lines a case."""

from collections.abc import Mapping
from random import Random
from typing import Final

HELLOS: Final = (
    "Hi {customer}, thanks for your request! I can do it for ${price}.",
    "Hello {customer}! This is {pro}. My estimate is ${price}, materials included.",
    "Good morning {customer}, I have time this week. ${price} all in.",
    "Hi {customer}! Happy to help with this. I would charge ${price}; shall I come by?",
    "Hello, {pro} here. For a job like this we ask ${price}. When would suit you?",
)
CLEAR_NOS: Final = (
    "No thanks",
    "No thank you, we went with someone else.",
    "Not interested, sorry.",
    "We already hired another company. Thanks anyway!",
    "Nope",
    "No, thank you. Good luck!",
    "Thanks for the quote but I'll pass.",
    "I no longer need this done.",
    "Changed my mind, sorry for the trouble.",
    "no gracias",
)
POSTPONED: Final = (
    "Maybe later, money is tight right now.",
    "Not yet, I am still comparing quotes.",
    "Let me think about it and get back to you.",
    "Not right now, perhaps in the spring.",
)
FACTUAL_NOS: Final = (
    "No, the upstairs bathroom.",
    "No, it is the one in the garage. Can you come Tuesday?",
    "No problem, Thursday works for me.",
    "No pets, just two kids.",
)
BARGAINS: Final = ("Can you do it for ${less}?", "That is more than I hoped. Would you take ${less}?")
YESES: Final = (
    "Sounds good, when can you come?",
    "Great, Saturday morning works for me.",
    "Yes please! What do you need from me?",
    "Perfect. The gate code is by the door.",
    "Could you send a few photos of past work first?",
)
CHATTER: Final = (
    ("pro", "I can be there around nine."),
    ("customer", "My husband will be home after five."),
    ("pro", "Just sent you two photos."),
    ("customer", "Do you bring the materials?"),
    ("pro", "Yes, everything is included."),
    ("customer", "Thanks, see you then."),
    ("pro", "Is there parking in front of the house?"),
    ("customer", "There is, right at the driveway."),
)
DEAD_NUMBERS: Final = (
    "I tried to call you, but the number is disconnected.",
    "The phone number you gave is not in service. Is there another one?",
    "Somebody else picked up: wrong number?",
)
MOVED: Final = (
    "Actually we moved, the job is now in {city}.",
    "Sorry, wrong address: it is the other house, in {city}.",
    "The plans changed, it would be at my mother's place in {city}.",
)
NEARBY: Final = (
    "It is the building next door, same street.",
    "Small thing: it is a few blocks from the address I gave.",
    "The entrance is round the corner, you will see it.",
)
OTHER_WORK: Final = (
    "It turns out I need {other} instead.",
    "Actually I need somebody for {other}, not for {category}.",
)
BREACHES: Final = (
    "To be honest, we are hiring: do you want to join our team?",
    "I am looking for a job, are you hiring?",
    "I'm 16 and my parents don't know about this.",
    "We are looking for experienced subcontractors, send your resume.",
    "This is a test, please ignore.",
)
ODD: Final = (
    "Wait at the corner and not at the door, I will explain when you are there.",
    "My landlord must not know about it, so please come in the evening.",
    "Could you do it without asking the city first?",
)
SMALL: Final = (
    "It is only a minor thing, nothing urgent.",
    "Just a minor repair, an hour at most.",
    "It looks minor to me, but I am no expert.",
)
OF_AGE: Final = (
    "I'm 45 and have never done this myself.",
    "I'm 29 and this is my first own place.",
)
STAFF_DOORS: Final = (
    "Please use the employee entrance at the back.",
    "Our staff will let you in.",
    "The staff entrance is on the left.",
)
GHOSTED: Final = (
    "Did you get my estimate?",
    "Just checking in, are you still looking?",
    "Hello {customer}, is the job still to be done?",
)
OUTBID: Final = (
    "Thanks for coming by. We chose a company that can start sooner.",
    "We found somebody who asks a little less, sorry.",
    "Your work looks great, but another quote was lower.",
)
# Who says what after the pro's first message; a line is taken from each list.
_LINES: Final[Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "": (("customer", YESES),),
    "lost": (("customer", POSTPONED), ("pro", GHOSTED)),
    "refused": (("customer", CLEAR_NOS),),
    "postponed": (("customer", POSTPONED),),
    "answered": (("customer", FACTUAL_NOS),),
    "bargained": (("customer", BARGAINS),),
    "bought": (("customer", CLEAR_NOS),),
    "no_number": (("customer", YESES),),
    "not_in_service": (("customer", YESES), ("pro", DEAD_NUMBERS)),
    "works": (("customer", YESES),),
    "breach": (("customer", BREACHES),),
    "unclear": (("customer", ODD),),
    "small": (("customer", SMALL),),
    "of_age": (("customer", OF_AGE),),
    "staff_door": (("customer", STAFF_DOORS),),
    "moved": (("customer", YESES), ("customer", MOVED)),
    "other_work": (("customer", YESES), ("customer", OTHER_WORK)),
    "only_said": (("customer", YESES), ("customer", (*MOVED, *OTHER_WORK))),
    "near": (("customer", YESES), ("customer", NEARBY)),
    "ghosted": (("customer", POSTPONED), ("pro", GHOSTED)),
    "outbid": (("customer", YESES), ("customer", OUTBID)),
    "duplicate": (
        (
            "customer",
            (
                "Did we not write last week? It is the same job as in my first request.",
                "Sorry, I sent this request twice, the app showed an error the first time.",
                "My wife posted the same job, you may have her message too.",
            ),
        ),
    ),
    "closed": (
        (
            "customer",
            (
                "We closed the shop for good last month, so this is off.",
                "The business is shut down and the lease is over, I am sorry.",
                "The restaurant went bankrupt, nobody will pay for this any more.",
            ),
        ),
    ),
    "wrong_category": (
        (
            "customer",
            (
                "Oh, did I choose {category}? I clicked the wrong thing in the list.",
                "I did not find my kind of job in the list, so I took {category}.",
                "Wrong category, my fault: {category} was the nearest I could find.",
            ),
        ),
    ),
    "by_mistake": (
        (
            "customer",
            (
                "I only wanted to see prices, I did not know that this sends a request.",
                "My son was playing with the phone, please ignore this request.",
                "I pressed the button by accident, there is no job here.",
            ),
        ),
    ),
    "done_before": (
        (
            "customer",
            (
                "It was fixed yesterday, the request should have been taken down.",
                "A neighbour did it on the weekend, I forgot to cancel the request.",
                "That was done in the morning, before you wrote.",
            ),
        ),
    ),
    "smaller": (
        (
            "customer",
            (
                "It is really just one hour of work, the form made it look large.",
                "Only the one corner, not the whole thing as the request says.",
                "We cut it down, only the smallest part is left to do.",
            ),
        ),
    ),
}
# After these the talk goes on; the others end with their last line.
_GOES_ON: Final = frozenset(
    {"", "no_number", "not_in_service", "works", "small", "of_age", "staff_door", "near", "smaller"}
)


def fill(rng: Random, templates: tuple[str, ...], **words: object) -> str:
    """One of the templates with its words."""
    return rng.choice(templates).format(**words)


def story(rng: Random, case: str, **words: object) -> list[tuple[str, str]]:
    """A conversation as (sender, body) by the case's name; "" goes well, "lost" fades away."""
    messages = [("pro", fill(rng, HELLOS, **words))]
    messages += [(sender, fill(rng, lines, **words)) for sender, lines in _LINES[case]]
    if case in _GOES_ON:
        messages += [CHATTER[at] for at in sorted(rng.sample(range(len(CHATTER)), rng.randint(0, 3)))]
    return messages
