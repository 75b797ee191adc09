"""What staff write beside a decision, by case and outcome; and what pros write in a report."""

from collections.abc import Mapping
from random import Random
from typing import Final, NamedTuple

from refundlib.demo.cases import Case, is_late


class Notes(NamedTuple):
    """Notes of approvals and of denials of one case."""

    approved: tuple[str, ...]
    denied: tuple[str, ...]


NOTES: Final[Mapping[str, Notes]] = {
    "refused": Notes(
        approved=(
            "The first reply is a plain no.",
            "Customer declined the quote with the first message.",
            "A clear no, and nothing after it.",
            "Refused at once; nothing left to win for the pro.",
            "First response is a refusal, the pro did not press.",
            "No as the first answer to the quote, N1 is met.",
            "Turned down before anything was discussed.",
            "Read the chat: the first thing the customer says is no.",
            "Opportunity, first answer negative. Refunded.",
            "The customer said no and meant it.",
        ),
        denied=(
            "The customer came back by phone and booked; the no was not the last word.",
            "The pro had talked price on the phone before, so this is not the first response.",
            "The customer says the no was for another pro and asked for a date afterwards.",
            "The pro did the job in the end, as the customer confirmed.",
        ),
    ),
    "postponed": Notes(
        approved=(
            "Put politely, but we read it as a no: the customer closed the request the same day.",
            "Called the customer: they had decided against it when they wrote.",
            "The pro asked again and the answer was a flat no; benefit of the doubt.",
        ),
        denied=(
            "The customer asked for time, which is no refusal.",
            "Still comparing quotes: a later date is not a no.",
            "Maybe later is not a clear no; the pro can follow up.",
            "Only put off. The lead is still the pro's to win.",
        ),
    ),
    "answered": Notes(
        approved=(
            "Called the customer, who had refused the price on the phone before that message.",
            "Customer told us they never wanted a quote from this pro.",
        ),
        denied=(
            "The no answers the pro's question about the job; it refuses nothing.",
            "The no is about the details of the job. They want the work done.",
            "It begins with no, but that is not about the quote.",
            "Not every no is a refusal; this one gives an answer.",
        ),
    ),
    "bargained": Notes(
        approved=(
            "The customer ended it when the pro would not go lower, within the minute; fair to refund.",
        ),
        denied=(
            "The customer asked for a lower price, so they are interested.",
            "Bargaining is contact made; the pro could have met the price.",
            "First reply is a counter-offer, not a refusal.",
        ),
    ),
    "bought": Notes(
        approved=("Sold as a lead, but the pro was shown it as an opportunity; our mistake.",),
        denied=(
            "This was a lead, charged when bought. A first no counts for opportunities only.",
            "Bought outright, not quoted for: N1 does not apply to leads.",
            "The refusal is clear but the charge was for the lead, not for the response.",
        ),
    ),
    "no_number": Notes(
        approved=(
            "No such number.",
            "The number is not one that can be dialled.",
            "Not a phone number at all; should not have passed the form.",
            "Every lead must have a working number and this one has none.",
            "Could not be called by anybody.",
            "What stands there is no phone number. Refunded.",
            "Looked at the lead: there is no usable number on it.",
            "Invalid on its face, no call needed.",
        ),
        denied=(
            "The customer gave the right number in the first minutes, and the pro used it.",
            "The pro met the customer on site, so the number made no difference.",
            "The customer corrected the number the same hour and was reached on it.",
        ),
    ),
    "not_in_service": Notes(
        approved=(
            "We called as well: not in service.",
            "Rang it twice, a recording says disconnected.",
            "Looks right but belongs to somebody else, who confirmed it to us.",
            "The carrier says that the number was given back in spring.",
            "The pro sent a recording of the call: number disconnected.",
        ),
        denied=(
            "We called and the customer answered.",
            "The number rings and goes to the customer's own voicemail.",
            "Disconnected that day, working since; the customer was only behind with the bill.",
            "The pro dialled another number than the one on the lead.",
        ),
    ),
    "works": Notes(
        approved=(
            "Valid, but we tried for two days and nobody by that name is there.",
            "A fax machine answers. That is not a number for a customer.",
        ),
        denied=(
            "The number works; we called it.",
            "Valid number, the customer picked up at the first ring.",
            "Not answering is not an invalid number.",
            "The customer wrote back and set a time, so contact was made on this number.",
            "Number checked with the carrier: in service.",
        ),
    ),
    "breach": Notes(
        approved=(
            "Not a job: the message is against the terms.",
            "Chat breaks the terms of service, customer account reported.",
            "Nobody here wants work done. Refunded, and the request taken down.",
            "The customer's own words show it. T1.",
            "Against the terms as written in the chat.",
            "Should not have been on the marketplace; account closed.",
            "Clear breach, trust and safety informed.",
            "The request was misuse and the pro lost nothing but time.",
        ),
        denied=(
            "Spoke to the customer: it was a joke in bad taste, the job is real.",
            "The customer apologised, and the pro did the job after all.",
            "The pro went along with it for days before reporting it.",
        ),
    ),
    "unclear": Notes(
        approved=(
            "Asked the customer, who confirmed that it is not allowed where they live. T1.",
            "The pro was asked for something the terms forbid, as the customer admits.",
            "Customer account has two warnings of the same kind; we side with the pro.",
        ),
        denied=(
            "Odd, but nothing in it is against the terms.",
            "An unusual wish is no breach.",
            "Asked the customer: all in order, the terms are kept.",
        ),
    ),
    "small": Notes(
        approved=("On the phone the customer turned out to be under age after all.",),
        denied=(
            "Minor means small here, nobody is under age.",
            "The job is minor, not the customer.",
            "An ordinary small job; the word was read the wrong way.",
        ),
    ),
    "of_age": Notes(
        approved=("The age given is not true; the parents wrote to us.",),
        denied=(
            "The customer is of age and says so.",
            "Grown up, by their own words and by the account.",
            "No minor here: the age is in the chat.",
        ),
    ),
    "staff_door": Notes(
        approved=("The same customer advertised for staff in two other chats.",),
        denied=(
            "A business that wants work done. It hires nobody.",
            "It speaks of staff who work there, not of staff they look for.",
            "The words only sound like a job offer; this is an ordinary job.",
        ),
    ),
    "moved": Notes(
        approved=(
            "The job is in another city now.",
            "Moved far out of the pro's area, as the chat shows.",
            "New zip is hours away from the one on the lead.",
            "Customer confirms the new address; not the job that was bought.",
            "Location changed after the charge.",
        ),
        denied=(
            "The customer moved back to the first address the next day.",
            "The pro lists that city as an area served.",
        ),
    ),
    "other_work": Notes(
        approved=(
            "Became a job of a kind this pro does not do.",
            "Different trade than requested, nothing here for the pro.",
            "The customer needs other work altogether.",
            "Not what was bought: the category changed in the first messages.",
            "The pro has no licence for what is asked now.",
        ),
        denied=(
            "The first job is still wanted; the other work comes on top.",
            "The pro offered to do the other work and gave a price for it.",
        ),
    ),
    "only_said": Notes(
        approved=(
            "The report names no new place, but the chat does; checked with the customer.",
            "Customer told us the same on the phone: the job changed.",
            "The pro gave the new details when asked. It is another job.",
        ),
        denied=(
            "No new zip or category was given, also not when we asked.",
            "The customer says that the job is the one requested.",
            "A wish in passing; the job on the lead was still to be done.",
            "What was added is small, the job as a whole did not change.",
        ),
    ),
    "near": Notes(
        approved=("The new place is near, but behind a ferry; an hour each way is too much.",),
        denied=(
            "Still in the neighbourhood, well under the limit of miles.",
            "A few blocks are not another location.",
            "Same city, same work: no significant change.",
            "Next door to the address on the lead.",
        ),
    ),
    "ghosted": Notes(
        approved=(
            "Nine leads in a row without an answer; goodwill, once.",
            "The site was down when the customer tried to answer. Goodwill.",
            "Customer's account was closed the same day; could not have been won.",
            "New pro, first lead; goodwill so that they give it another try.",
            "The customer has let eleven pros wait like this; account warned, pro refunded once.",
            "Promised by phone by one of us, so we keep the word.",
            "The pro's mailbox was full through our test mails; goodwill.",
        ),
        denied=(
            "Not being hired is never a reason for a refund.",
            "The customer went silent, which is the pro's risk.",
            "Contact was made; the rest is the pro's to win.",
            "No answer to a follow-up does not make a charge unfair.",
            "The lead was good. The customer did not choose this pro.",
            "Customers may stop writing; H1.",
        ),
    ),
    "outbid": Notes(
        approved=(
            "A fault of ours sent the quote a day late. Goodwill.",
            "Two of our messages to the pro were lost; goodwill this time.",
            "The customer was shown a wrong rating of this pro. Our error.",
            "The pro's photos did not load for the customer; goodwill.",
            "Charged at the old price list by mistake, given back as goodwill.",
        ),
        denied=(
            "Another pro was chosen. That is competition.",
            "Losing a job to a lower quote is not refundable.",
            "The customer met the pro and decided otherwise; H1.",
            "Choosing somebody else after contact is the customer's right.",
            "Cheaper or sooner: whom to hire is the customer's choice.",
            "The quote was considered, so the lead gave what it promised.",
        ),
    ),
    "duplicate": Notes(
        approved=(
            "A duplicate of a lead charged last week: same customer, same job.",
            "Same request sold to this pro twice. One of them goes back.",
            "The customer sent it twice and we charged it twice.",
            "One household, one job, posted twice; the pro should pay once.",
        ),
        denied=(
            "Looks alike, but they are two jobs at two addresses.",
            "The first one was refunded already, so the pro paid once.",
            "The earlier lead was for last year's work; this is a new job.",
        ),
    ),
    "closed": Notes(
        approved=(
            "Customer is out of business; there was no job to win.",
            "The shop had closed before the lead was sold.",
            "Closed for good, as the trade register shows. Fair to give it back.",
        ),
        denied=(
            "The business closed weeks later; on the day of the charge it was open.",
            "The owner still wants the work done at the new place.",
            "The pro knew of the closing and bought the lead all the same.",
        ),
    ),
    "wrong_category": Notes(
        approved=(
            "Wrong category chosen by the customer; the pro could not tell from the request.",
            "The customer clicked the wrong trade. Not the pro's fault.",
            "The request never was for this trade, so we give it back.",
        ),
        denied=(
            "Wrong category, but the description said plainly what was wanted.",
            "The pro offers that work too and quoted for it.",
            "The job is on the edge of two trades; this one is near enough.",
        ),
    ),
    "by_mistake": Notes(
        approved=(
            "The customer booked by mistake and said so at once.",
            "Sent without meaning to; there never was a job.",
            "Request pressed by accident, closed within minutes.",
        ),
        denied=(
            "By mistake or not, the customer then asked for a quote and a date.",
            "The customer wrote this only after seeing the price.",
            "They went on talking about the job for days; it was a real request.",
        ),
    ),
    "done_before": Notes(
        approved=(
            "The job was done before the lead was sold. We should have taken it down.",
            "Done already on the day of the charge, as the customer's photo shows.",
            "Stale request: somebody else had finished the work.",
        ),
        denied=(
            "It was done the day after the charge: another pro was faster.",
            "Only half of it was done; the customer still asked for quotes for the rest.",
            "The pro's own first visit was before that, so there was a fair chance.",
        ),
    ),
    "smaller": Notes(
        approved=(
            "The form made the job look three times its size. Fair to give it back.",
            "Priced as a large job, and it is one hour of work.",
            "The size on the request was our form's fault.",
        ),
        denied=(
            "Smaller than hoped, but the same job in the same place.",
            "The lead's price does not depend on the size of the job.",
            "The description gave the size correctly.",
        ),
    ),
}
# Of claims that came after the window, whatever their reason.
LATE: Final = Notes(
    approved=(
        "Late, but the pro had written to us in time and got no answer.",
        "After the window; the pro was in hospital. One exception.",
        "Our form was down on the last day of the window.",
        "Late by little, and the pro's first report ever.",
    ),
    denied=(
        "Reported after the window.",
        "Too late: more than 30 days after the charge.",
        "The window had closed when this arrived.",
        "The pro knew in the first week and reported after a month.",
        "Out of time. The reason itself was not looked at.",
        "W1: past the days for a report.",
    ),
)
# In a report the pro's words, "" when the form was sent without.
DETAILS: Final[Mapping[str, tuple[str, ...]]] = {
    "clear_no": (
        "",
        "",
        "Please see the chat.",
        "They said no right away.",
        "Customer was not interested.",
        "First message was a no.",
    ),
    "invalid_phone": (
        "",
        "Cannot call this number.",
        "The number does not work.",
        "No way to reach them by phone.",
        "Third time this month!",
    ),
    "terms_violation": ("", "This is not a customer.", "Please see the chat.", "Not a real job."),
    "job_changed": ("", "It is another job now.", "Not what I paid for.", "The customer changed the plan."),
    "not_hired": (
        "",
        "They never answered again.",
        "I did not get the job.",
        "This should not have been charged.",
        "They took somebody else.",
    ),
    "duplicate": (
        "Duplicate: I paid for the same customer last week.",
        "Same job twice in my list.",
        "I was charged twice for one customer, this is a duplicate lead.",
    ),
    "closed": (
        "Customer is out of business.",
        "The shop is closed for good, nobody there.",
        "The company went bankrupt.",
    ),
    "wrong_category": (
        "The customer chose the wrong category.",
        "Wrong category, they never wanted my kind of work.",
        "It was filed under the wrong trade.",
    ),
    "by_mistake": (
        "The customer sent the request by mistake.",
        "There is no job, it was an accident they say.",
        "They never meant to send it.",
    ),
    "done_before": (
        "The job was already done.",
        "Somebody had finished the work before I got the lead.",
        "Stale request, work done.",
    ),
    "smaller": (
        "Much smaller than the request says.",
        "Charged for a large job, this is one hour.",
        "The size in the request is wrong.",
    ),
}
# An approval that the checks advise needs no words; most get some.
_SILENT: Final = 0.3


def details(rng: Random, case: Case) -> str:
    """What the pro writes in the report."""
    return rng.choice(DETAILS.get(case.name) or DETAILS[case.reason])


def note(rng: Random, case: Case, approved: bool, age_days: float) -> str:
    """What the agent writes beside the decision of a claim reported so many days after the charge."""
    late = is_late(age_days)
    if approved and not late and case.advice == "approve" and rng.random() < _SILENT:
        return ""
    notes = LATE if late else NOTES[case.name]
    return rng.choice(notes.approved if approved else notes.denied)
