"""What pros and customers write to each other, by how the story goes."""

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
INNOCENT: Final = (
    "It is only a minor leak, nothing urgent.",
    "The employee bathroom needs it most.",
    "I'm 45 and have never done this myself.",
)
GHOSTED: Final = ("Did you get my estimate?", "Just checking in, are you still looking?")


def fill(rng: Random, templates: tuple[str, ...], **words: object) -> str:
    """One of the templates with its words."""
    return rng.choice(templates).format(**words)


def story(rng: Random, reason: str, honest: bool, **words: object) -> list[tuple[str, str]]:
    """A conversation as (sender, body): honest ones bear the report out, the others do not."""
    messages = [("pro", fill(rng, HELLOS, **words))]
    messages += _heart(rng, reason, honest, words)
    if reason not in ("clear_no", "not_hired") or not honest:
        messages += [CHATTER[at] for at in sorted(rng.sample(range(len(CHATTER)), rng.randint(0, 3)))]
    return messages


def _heart(rng: Random, reason: str, honest: bool, words: dict[str, object]) -> list[tuple[str, str]]:
    if reason == "clear_no":
        wrong = rng.choice((POSTPONED, FACTUAL_NOS, BARGAINS))
        return [("customer", fill(rng, CLEAR_NOS if honest else wrong, **words))]
    if reason == "invalid_phone":
        said = [("customer", fill(rng, YESES))]
        return [*said, ("pro", fill(rng, DEAD_NUMBERS))] if rng.random() < 0.5 else said
    if reason == "terms_violation":
        return [("customer", fill(rng, BREACHES if honest else INNOCENT))]
    if reason == "job_changed":
        templates = MOVED if rng.random() < 0.6 else OTHER_WORK
        return [("customer", fill(rng, YESES)), ("customer", fill(rng, templates, **words))]
    if reason == "not_hired":
        return [("customer", fill(rng, POSTPONED)), ("pro", fill(rng, GHOSTED))]
    return [("customer", fill(rng, YESES))]
