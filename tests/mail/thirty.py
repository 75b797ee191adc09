"""Mails of all shapes, made by code: each with the list it belongs in, and what it is about."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, default
from hashlib import md5
from typing import Final

from PIL import Image

from refundlib.services.decisions import decide
from refundlib.services.intake import Draft, file_report
from refundlib.services.triage import ask_pro
from tests.conftest import PEOPLE
from tests.market import Market

DANA = PEOPLE["dana"]
DESK: Final = "Refund Desk <refunds@desk.example>"
MOSS: Final = "Moss & Sons <moss@pros.example>"
COLLEAGUE: Final = "Sam Support <sam@desk.example>"
SENT_AT: Final = datetime(2026, 3, 20, 10, tzinfo=UTC)
PDF: Final = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
# Charge, customer, address, number, category.
CHARGES: Final = (
    ("CH-01", "Ana Delgado", "ana@home.example", "+1 212-736-5000", "plumbing"),
    ("CH-02", "Ben Ortiz", "ben@home.example", "+1 312-736-5001", "painting"),
    ("CH-03", "Carla Novak", "carla@home.example", "000-000-0000", "roofing"),
    ("CH-04", "Dora Novak", "dora@home.example", "+1 415-736-5003", "moving"),
    ("CH-05", "José Núñez", "jose@home.example", "+1 415-736-5004", "plumbing"),
    ("CH-11", "Olga Open", "olga@home.example", "+1 415-736-5011", "plumbing"),
    ("CH-12", "Rita Refunded", "rita@home.example", "+1 415-736-5012", "plumbing"),
    ("CH-13", "Denis Denied", "denis@home.example", "+1 415-736-5013", "plumbing"),
)


@dataclass
class Scene:
    """The market the mails are about: the reports that were filed, and our question's Message-ID."""

    asked: str
    refunded: str
    denied: str
    question_id: str


def scene(market: Market) -> Scene:
    """Two pros; Moss with eight conversations, one asked about, one refunded, one denied."""
    market.pro("moss")
    market.pro("vega")
    market.write("UPDATE marketplace.pros SET name = 'Moss & Sons' WHERE pro_id = 'moss'")
    market.pay("pay-moss", "moss", 100_000)
    market.pay("pay-vega", "vega", 100_000)
    for charge, name, email, phone, category in CHARGES:
        lead = market.lead(charge.replace("CH", "L"), phone=phone)
        market.charge(charge, lead, "moss", 2500)
        market.write(
            "UPDATE marketplace.customers SET name = :name, email = :email WHERE customer_id = :id",
            name=name,
            email=email,
            id=f"c-{lead}",
        )
        market.write("UPDATE marketplace.leads SET category = :c WHERE lead_id = :id", c=category, id=lead)
        market.say(f"m1-{charge}", lead, "moss", "pro", "Hi! I can do it for $240.")
        market.say(f"m2-{charge}", lead, "moss", "customer", "No thanks")
    market.charge("CH-90", market.lead("L-90"), "vega", 2500)
    return _reported(market)


def _reported(market: Market) -> Scene:
    desk = market.desk
    asked, refunded, denied = (
        file_report(desk, DANA, Draft(charge_id=charge, reason="clear_no"))
        for charge in ("CH-11", "CH-12", "CH-13")
    )
    ask_pro(desk, DANA, asked, "Which number did you call?")
    decide(desk, DANA, refunded, "approve", idempotency_key="approve")
    decide(desk, DANA, denied, "deny", idempotency_key="deny", reason="The customer answered.")
    question = market.one("SELECT message_id FROM refunds.outbox WHERE kind = 'question'")
    return Scene(asked, refunded, denied, question)


@dataclass(frozen=True)
class Mail:
    """A mail, and where it belongs. why: words of the sentence; left_out: words of what is named there."""

    name: str
    raw: bytes
    state: str
    charge: str | None = None
    reason: str | None = None
    report: str | None = None
    why: str = ""
    pro: str | None = "moss"
    left_out: str = ""
    files: int = 0


def message(subject: str, body: str | None = None, *, sender: str = MOSS, **headers: str) -> EmailMessage:
    """A mail with its usual headers; of headers, "_" stands for "-", and "" leaves one out."""
    mail = EmailMessage(policy=SMTP)
    named = {
        "From": sender,
        "To": DESK,
        "Subject": subject,
        "Date": f"{SENT_AT:%a, %d %b %Y %H:%M:%S} +0000",
        "Message-ID": f"<{md5(subject.encode()).hexdigest()}@pros.example>",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in named.items():
        if value:
            mail[name] = value
    if body is not None:
        mail.set_content(body)
    return mail


def _raw(mail: EmailMessage) -> bytes:
    return mail.as_bytes()


def photo() -> bytes:
    """A small JPEG."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


def by_hand(headers: dict[str, str], body: bytes, sender: str = MOSS) -> bytes:
    """A mail written sign by sign: for what no library would write."""
    usual = {"From": sender, "To": DESK, "Date": "Fri, 20 Mar 2026 10:00:00 +0000"} | headers
    return "".join(f"{name}: {value}\r\n" for name, value in usual.items()).encode() + b"\r\n" + body


# -- the mails ------------------------------------------------------------------------------------------


def plain() -> list[Mail]:
    """Words in every dress."""
    html = message("About CH-02")
    html.set_content(
        "<html><head><style>p{color:red}</style><title>CH-99</title></head><body><p>Hello,</p>"
        "<p>the phone&nbsp;number on <b>CH-02</b> is <a href='https://x.example'>disconnected</a>.</p>"
        "<img src='https://tracker.example/x.png'><script>alert('CH-01')</script></body></html>",
        subtype="html",
    )
    quoted = message("Refund for CH-01")
    quoted.set_content("The customer said no thanks. José – Moss & Sons", cte="quoted-printable")
    coded = message("Refund please", None)
    coded.set_content("The customer of CH-03 wants to hire employees.", cte="base64")
    latin = by_hand(
        {"Subject": "Reembolso", "MIME-Version": "1.0", "Content-Type": "text/plain; charset=ISO-8859-1"},
        "El teléfono de José Núñez no existe, número equivocado.".encode("latin-1"),
    )
    wrong = by_hand(
        {"Subject": "Reembolso", "MIME-Version": "1.0", "Content-Type": "text/plain; charset=x-nobody"},
        "El cliente José Núñez dijo que no gracias.".encode(),
    )
    spanish = message(
        "Solicitud de reembolso", "La clienta Ana Delgado contrató a otro. Quiero el reembolso."
    )
    return [
        Mail(
            "plain",
            _raw(message("Refund", "Ana Delgado answered “No thanks”.")),
            "proposed",
            "CH-01",
            "clear_no",
        ),
        Mail("html only", _raw(html), "proposed", "CH-02", "invalid_phone"),
        Mail("quoted-printable", _raw(quoted), "proposed", "CH-01", "clear_no"),
        Mail("base64", _raw(coded), "proposed", "CH-03", "terms_violation"),
        Mail("ISO-8859-1", latin, "proposed", "CH-05", "invalid_phone"),
        Mail("unknown charset", wrong, "proposed", "CH-05", "clear_no"),
        Mail("Spanish", _raw(spanish), "proposed", "CH-01", "not_hired"),
        Mail(
            "by the customer's number",
            _raw(message("Wrong job", "The one at 312.736.5001 is in another city.")),
            "proposed",
            "CH-02",
            "job_changed",
        ),
        Mail(
            "two of a name, one of the category",
            _raw(message("Novak", "Mrs Novak, the roofing lead. I was charged twice.")),
            "proposed",
            "CH-03",
            "other",
        ),
    ]


def forwarded() -> list[Mail]:
    """What colleagues pass on, in the ways their programs do."""
    words = "The number of Ben Ortiz is disconnected."
    gmail = (
        "FYI\n\n---------- Forwarded message ---------\nFrom: Moss & Sons <moss@pros.example>\n"
        f"Date: Thu, Mar 19, 2026 at 9:00 AM\nSubject: Refund\nTo: <sam@desk.example>\n\n{words}\n"
    )
    apple = (
        "Begin forwarded message:\n\n> From: Moss & Sons <moss@pros.example>\n> Subject: Refund\n"
        f"> Date: March 19, 2026\n> To: sam@desk.example\n>\n> {words}\n"
    )
    outlook = (
        "Please have a look.\n\n-----Original Message-----\nFrom: Moss & Sons <moss@pros.example>\n"
        f"Sent: Thursday, March 19, 2026 9:00 AM\nTo: Sam\nSubject: Refund\n\n{words}\n"
    )
    spanish = (
        "Hola\n\n---------- Mensaje reenviado ---------\nDe: Moss <moss@pros.example>\n"
        f"Fecha: jue, 19 mar 2026\nAsunto: Reembolso\nPara: <sam@desk.example>\n\n{words}\n"
    )
    attached = message("Fwd: Refund", "See the mail attached.", sender=COLLEAGUE)
    inner = EmailMessage(policy=default)
    inner["From"], inner["Subject"] = MOSS, "Refund"
    inner.set_content(words)
    inner.add_attachment(photo(), "image", "jpeg", filename="screen.jpg")
    attached.add_attachment(inner)
    two = gmail + "\n---------- Forwarded message ---------\nFrom: Vega <vega@pros.example>\n\nMe too.\n"
    styles = {"Gmail": gmail, "Apple": apple, "Outlook": outlook, "Spanish Gmail": spanish}
    return [
        *(
            Mail(
                f"forwarded, {style}",
                _raw(message(f"Fwd: Refund ({style})", text, sender=COLLEAGUE)),
                "proposed",
                "CH-02",
                "invalid_phone",
            )
            for style, text in styles.items()
        ),
        Mail("forwarded as attachment", _raw(attached), "proposed", "CH-02", "invalid_phone", files=1),
        Mail(
            "two pros",
            _raw(message("Fwd: two", two.replace(words, "Hello."), sender=COLLEAGUE)),
            "unplaced",
            why="Two pros fit",
            pro=None,
        ),
    ]


def answers(it: Scene) -> list[Mail]:
    """What comes back to our own mails, and about reports."""
    reply = message(
        "Re: A question",
        "I called 650 253 0000.\n\nOn Fri, Mar 20, 2026 at 9:00, Refund Desk\n<refunds@desk.example> wrote:\n"
        f"> Which number did you call?\n> Report {it.asked}, charge CH-11\n",
        In_Reply_To=it.question_id,
        References=f"<older@pros.example> {it.question_id}",
    )
    return [
        Mail("answers our question", _raw(reply), "answer", "CH-11", report=it.asked, why="answers our mail"),
        Mail(
            "names the report in the subject",
            _raw(message(f"More about {it.asked.lower()}", "It was the number in the lead.")),
            "unplaced",
            "CH-11",
            why=f"seems to answer report {it.asked} of Moss & Sons, but it only names the report",
        ),
        Mail(
            "in the thread, with a Reply-To of the pro",
            _raw(
                message(
                    "Re: A question, as Moss",
                    "Any number you like.",
                    sender="Someone <someone@else.example>",
                    Reply_To=MOSS,
                    In_Reply_To=it.question_id,
                )
            ),
            "unplaced",
            "CH-11",
            why=f"seems to answer report {it.asked} of Moss & Sons, but someone@else.example wrote it",
        ),
        Mail(
            "another pro names the report",
            _raw(message(f"About {it.asked}", "Refund it!", sender="Vega <vega@pros.example>")),
            "unplaced",
            "CH-11",
            why="but Vega Services wrote it",
        ),
        Mail(
            "decided already",
            _raw(message(f"Re: {it.denied}", "You are wrong.")),
            "unplaced",
            "CH-13",
            why=f"{it.denied} is denied already",
        ),
        Mail(
            "refunded before",
            _raw(message("Rita", "Rita Refunded said no.")),
            "unplaced",
            "CH-12",
            why=it.refunded,
        ),
        Mail(
            "reported already",
            _raw(message("Olga", "Olga Open never answered.")),
            "unplaced",
            "CH-11",
            why=f"report {it.asked} is still to be decided",
        ),
        Mail(
            "automatic",
            _raw(
                message("Re: A question", "Gone.", In_Reply_To=it.question_id, Auto_Submitted="auto-replied")
            ),
            "unplaced",
            "CH-11",
            why=f"a mail that came back. It seems to answer report {it.asked}",
            left_out="the mail as it came was not kept",
        ),
        Mail(
            "bounce",
            by_hand(
                {"Subject": "Undelivered", "Content-Type": 'multipart/report; boundary="b"'},
                b"--b\r\n\r\nCould not be delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
                b"Action: failed\r\n--b--\r\n",
                "MAILER-DAEMON@mx.example",
            ),
            "unplaced",
            why="Nobody wrote this",
            pro=None,
            left_out="the mail as it came was not kept",
        ),
    ]


def waiting() -> list[Mail]:
    """What nothing can place, or that names too much."""
    nobody = "Someone <someone@else.example>"
    return [
        Mail(
            "two conversations",
            _raw(message("Two", "Ana Delgado and Ben Ortiz both said no.")),
            "unplaced",
            why="Two conversations fit",
        ),
        Mail(
            "unknown sender",
            _raw(message("Refund", "I want my money back.", sender=nobody)),
            "unplaced",
            why="No pro has the address",
            pro=None,
        ),
        Mail(
            "unknown sender names a charge",
            _raw(message("CH-01", "Refund CH-01.", sender=nobody)),
            "unplaced",
            "CH-01",
            why="It names charge CH-01",
            pro=None,
        ),
        Mail(
            "no conversation named",
            _raw(message("Hi", "I want a refund.")),
            "unplaced",
            why="names no conversation",
        ),
        Mail(
            "another pro's charge",
            _raw(message("Hi", "Refund CH-90 please.")),
            "unplaced",
            why="CH-90 belongs to Vega Services",
        ),
    ]


def carrying() -> list[Mail]:
    """What mails carry, large and small."""
    empty = message("CH-04")
    empty.add_attachment(PDF, "application", "pdf", filename="../letter.pdf")
    shot = message("Screenshot", "Carla Novak’s number is not valid, see the photo.")
    shot.add_attachment(photo(), "image", "jpeg", filename="screen.jpg")
    virus = message("CH-01 invoice", "Please run the file.")
    virus.add_attachment(b"MZ\x90\x00" * 50, "application", "octet-stream", filename="invoice.exe")
    return [
        Mail("no words, a PDF", _raw(empty), "proposed", "CH-04", "other", files=1),
        Mail("a photo", _raw(shot), "proposed", "CH-03", "invalid_phone", files=1),
        Mail("a program", _raw(virus), "proposed", "CH-01", "other", left_out="invoice.exe"),
        Mail("20 MB", large("Large: CH-01", 20), "proposed", "CH-01", "other", left_out="film.pdf has 14."),
        Mail("a 20 MB attachment", large("Larger: CH-01", 28), "unplaced", why="only its headers"),
    ]


def large(subject: str, mail_mb: int) -> bytes:
    """A mail of so many MB, nearly all of it one attachment."""
    head = message(subject, "See the film.")
    head.add_attachment(b"@", "application", "pdf", filename="film.pdf")
    line = base64.b64encode(b"%PDF-" + b"x" * 52) + b"\r\n"
    times = mail_mb * 1024 * 1024 // len(line)
    return _raw(head).replace(b"QA==\r\n", line * times, 1)


def broken() -> list[Mail]:
    """What breaks the rules of mail."""
    no_boundary = by_hand(
        {"Subject": "Broken", "MIME-Version": "1.0", "Content-Type": 'multipart/mixed; boundary="never"'},
        b"The number of Ana Delgado is disconnected.\r\n--other\r\n\r\nrest\r\n",
    )
    truncated = by_hand(
        {"Subject": "Cut: CH-02", "MIME-Version": "1.0", "Content-Type": 'multipart/mixed; boundary="b"'},
        b"--b\r\nContent-Type: text/plain\r\n\r\nThe customer turned me down.\r\n--b\r\n"
        b"Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgoAAAA",
    )
    twice = message("Refund CH-01", "The customer said no.", Message_ID="<same@pros.example>")
    other = message("Refund CH-02", "The customer said no.", Message_ID="<same@pros.example>")
    return [
        Mail("no boundary", no_boundary, "proposed", "CH-01", "invalid_phone"),
        Mail("cut in its base64", truncated, "proposed", "CH-02", "clear_no", left_out="a.png"),
        Mail(
            "no Message-ID",
            by_hand({"Subject": "CH-03"}, b"It is spam."),
            "proposed",
            "CH-03",
            "terms_violation",
        ),
        Mail("a Message-ID", _raw(twice), "proposed", "CH-01", "clear_no"),
        Mail("the same Message-ID, other words", _raw(other), "proposed", "CH-02", "clear_no"),
        Mail(
            "no Date",
            _raw(message("CH-04 undated", "The customer wants another job.", Date="")),
            "proposed",
            "CH-04",
            "job_changed",
        ),
        Mail(
            "odd From",
            by_hand(
                {"Subject": "CH-01 odd"}, b"They said no.", '"Moss (the\xe9 one" <<moss@pros.example>> ;;'
            ),
            "proposed",
            "CH-01",
            "clear_no",
        ),
        Mail(
            "in capitals",
            _raw(message("CH-04 CAPITALS", "They said no.", sender="MOSS@PROS.EXAMPLE")),
            "proposed",
            "CH-04",
            "clear_no",
        ),
    ]


def all_mails(it: Scene) -> list[Mail]:
    """Every one of them."""
    makers: tuple[Callable[[], list[Mail]], ...] = (plain, forwarded, waiting, carrying, broken)
    return [mail for make in makers for mail in make()] + answers(it)
