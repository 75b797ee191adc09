"""The checklist of a claim: each check with its mark, its clause and why."""

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from refundlib.domain.eligibility import CHECK_OF_REASON, Assessment, Check
from refundlib.domain.policy import Policy
from refundlib.ui import words

_OWN: Final = frozenset(CHECK_OF_REASON.values())
_STATUS_COLOURS: Final[dict[str, Any]] = {"pass": "green", "fail": "red", "unsure": "orange"}


def show(assessment: Assessment, policy: Policy, on_jump: Callable[[str], None] | None = None) -> None:
    """What we advise and each check that applies, the reason's first. on_jump(check id): to its words."""
    advice = words.RECOMMENDS[assessment.recommendation]
    st.markdown(f"**We advise: {advice}.** {words.plain(assessment.headline)}")
    for check in sorted(assessment.checks, key=lambda check: not _of_reason(check)):
        # That the policy names the reason goes without saying; that it does not is said.
        if check.status != "not_applicable" and (check.id, check.status) != ("reason_qualifies", "pass"):
            _check(check, policy, on_jump)


def _of_reason(check: Check) -> bool:
    """Whether it is the reason's own check, or says that the reason itself decides (H1, D1)."""
    return check.id in _OWN or (check.id == "reason_qualifies" and check.status != "pass")


def _check(check: Check, policy: Policy, on_jump: Callable[[str], None] | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.badge(
            f"{words.MARKS[check.status]} {check.clause}",
            color=_STATUS_COLOURS[check.status],
            help=f"{words.CHECKS[check.id]}. {policy.clause(check.clause)}",
        )
        st.markdown(words.plain(check.why), width="stretch")
        if on_jump and any(evidence.message_id for evidence in check.evidence):
            st.button(
                "Show",
                key=f"jump-{check.id}",
                type="tertiary",
                on_click=on_jump,
                args=(check.id,),
                help="Show the words in the conversation",
            )
