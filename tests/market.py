"""A small marketplace for tests: rows as the marketplace would write them, posted by the real feed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from refundlib.domain.people import Person
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft, file_report
from refundlib.services.marketplace_feed import post_new


@dataclass
class Market:
    """Writes marketplace rows with the owner's rights; the desk under test reads them."""

    owner: Desk
    desk: Desk

    def write(self, statement: str, **values: Any) -> None:
        """One statement as the owner."""
        with self.owner.transaction() as conn:
            conn.execute(text(statement), values)

    def pro(self, pro_id: str, categories: tuple[str, ...] = ("plumbing",)) -> str:
        """A pro in New York."""
        self.write(
            "INSERT INTO marketplace.pros VALUES (:id, :name, :email, '', :categories, '10001', :at)",
            id=pro_id,
            name=f"{pro_id.title()} Services",
            email=f"{pro_id}@pros.example",
            categories=list(categories),
            at=self.desk.clock() - timedelta(days=400),
        )
        return pro_id

    def lead(self, lead_id: str, *, kind: str = "opportunity", phone: str = "+1 650-253-0000") -> str:
        """A lead for plumbing in New York, with its customer."""
        at = self.desk.clock() - timedelta(days=3)
        self.write(
            "INSERT INTO marketplace.customers VALUES (:id, 'Cal Customer', 'cal@customers.example', :phone)",
            id=f"c-{lead_id}",
            phone=phone,
        )
        self.write(
            """INSERT INTO marketplace.leads
            VALUES (:id, :kind, :customer, 'plumbing', '10001', 'Leak under the sink', :at)""",
            id=lead_id,
            kind=kind,
            customer=f"c-{lead_id}",
            at=at,
        )
        return lead_id

    def pay(
        self, payment_id: str, pro_id: str, amount: int, currency: str = "USD", at: datetime | None = None
    ) -> None:
        """A payment, posted by the feed."""
        self.write(
            """INSERT INTO marketplace.payments (payment_id, pro_id, amount, currency, paid_at, processor_ref)
            VALUES (:id, :pro, :amount, :currency, :at, 'ch_' || :id)""",
            id=payment_id,
            pro=pro_id,
            amount=amount,
            currency=currency,
            at=at or self.desk.clock(),
        )
        post_new(self.desk)

    def charge(
        self,
        charge_id: str,
        lead_id: str,
        pro_id: str,
        amount: int,
        currency: str = "USD",
        payment_id: str | None = None,
    ) -> None:
        """A charge, posted by the feed; without cover it is set aside."""
        self.write(
            """INSERT INTO marketplace.charges
            (charge_id, lead_id, pro_id, amount, currency, charged_at, paid_with, payment_id)
            VALUES (:id, :lead, :pro, :amount, :currency, :at, :with, :payment)""",
            id=charge_id,
            lead=lead_id,
            pro=pro_id,
            amount=amount,
            currency=currency,
            at=self.desk.clock(),
            payment=payment_id,
            **{"with": "card" if payment_id else "balance"},
        )
        post_new(self.desk)

    def say(self, message_id: str, lead_id: str, pro_id: str, sender: str, body: str) -> None:
        """A message of the conversation, now."""
        self.write(
            """INSERT INTO marketplace.messages (message_id, lead_id, pro_id, sender, body, sent_at)
            VALUES (:id, :lead, :pro, :sender, :body, :at)""",
            id=message_id,
            lead=lead_id,
            pro=pro_id,
            sender=sender,
            body=body,
            at=self.desk.clock(),
        )

    def claim(self, actor: Person, name: str = "a", *, amount: int = 2500, reply: str = "No thanks") -> str:
        """A pro who paid, was charged, got a first "no" and reported it; the report's id."""
        pro, lead = self.pro(f"pro-{name}"), self.lead(f"lead-{name}")
        self.pay(f"pay-{name}", pro, amount)
        self.charge(f"charge-{name}", lead, pro, amount)
        self.say(f"m1-{name}", lead, pro, "pro", "Hi! I can do it for $240.")
        self.say(f"m2-{name}", lead, pro, "customer", reply)
        return file_report(self.desk, actor, Draft(charge_id=f"charge-{name}", reason="clear_no"))

    def one(self, statement: str, **values: Any) -> Any:
        """The one value a statement gives."""
        with self.owner.reading() as conn:
            return conn.execute(text(statement), values).scalar_one()

    def balance(self, pro_id: str) -> int:
        """What a pro has on the balance (minor units, all tests' currencies apart)."""
        return int(
            self.one("SELECT coalesce(sum(balance), 0) FROM refunds.balances WHERE pro_id = :p", p=pro_id)
        )
