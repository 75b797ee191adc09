"""The conversation beside a claim: bubbles with times, evidence marked. Text is set as text, not as HTML."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import streamlit as st

from refundlib.domain.eligibility import Check
from refundlib.domain.people import Person
from refundlib.ui import words

_HTML: Final = """<div class="chat" role="log" aria-label="Conversation" tabindex="0"></div>
"""
_CSS: Final = """
.chat { height: 100%; overflow-y: auto; box-sizing: border-box; padding: 4px 8px 12px 4px;
  font-family: var(--st-font); font-size: 0.95rem; color: var(--st-text-color); }
.message { max-width: 82%; margin: 0 0 10px 0; }
.message.pro { margin-left: auto; }
.head { font-size: 0.78rem; opacity: 0.8; margin: 0 2px 2px; }
.bubble { padding: 8px 12px; border-radius: 10px; border: 1px solid var(--st-border-color);
  background: var(--st-secondary-background-color); white-space: pre-wrap; overflow-wrap: anywhere; }
.pro .bubble { background: transparent; }
.desk .bubble { border-style: dashed; background: transparent; }
.message.first .bubble { border-left: 4px solid var(--st-primary-color); }
.message.later { opacity: 0.75; }
.line { display: flex; align-items: center; gap: 8px; margin: 12px 0; font-size: 0.78rem; opacity: 0.9; }
.line::before, .line::after { content: ""; flex: 1; border-top: 1px solid var(--st-border-color); }
mark { background: var(--st-yellow-background-color, #fff3b0); color: inherit; border-radius: 3px;
  padding: 0 2px; border-bottom: 2px solid var(--st-primary-color); }
mark.focus { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.empty { opacity: 0.8; padding: 24px 8px; }
"""
_JS: Final = """
export default function ({ data, parentElement }) {
  const chat = parentElement.querySelector(".chat")
  if (!chat || !data) return
  const make = (tag, name, text) => {
    const element = document.createElement(tag)
    element.className = name
    if (text !== undefined) element.textContent = text
    return element
  }
  chat.replaceChildren()
  if (!data.items.length) chat.append(make("div", "empty", data.empty))
  let wanted = null
  for (const item of data.items) {
    if (item.line) { chat.append(make("div", "line", item.line)); continue }
    const message = make("div", "message " + item.side)
    const head = make("div", "head", item.head)
    head.title = item.exact
    const bubble = make("div", "bubble")
    for (const part of item.parts) {
      if (!part.mark) { bubble.append(document.createTextNode(part.text)); continue }
      const mark = make("mark", part.mark === data.focus ? "focus" : "", part.text)
      if (part.mark === data.focus && !wanted) wanted = mark
      bubble.append(mark)
    }
    message.append(head, bubble)
    chat.append(message)
  }
  if (wanted) wanted.scrollIntoView({ block: "center" })
}
"""
_view = st.components.v2.component("conversation", html=_HTML, css=_CSS, js=_JS)

Item = dict[str, Any]
Spans = Mapping[str, Iterable[tuple[int, int, str]]]


def show(items: list[Item], *, focus: str | None, height: int, key: str, empty: str) -> None:
    """Paints the items of message() and line(); focus: the mark to scroll to; height in pixels."""
    _view(key=key, data={"items": items, "focus": focus, "empty": empty}, height=height)


def line(text: str) -> Item:
    """A moment between messages: charged, reported."""
    return {"line": text}


def message(head: str, exact: str, side: str, body: str, spans: Iterable[tuple[int, int, str]]) -> Item:
    """A bubble. side: the sender or "desk", with " first" or " later" added; spans: (start, end, mark)."""
    return {"head": head, "exact": exact, "side": side, "parts": list(_parts(body, spans))}


def marks(found: Iterable[tuple[str | None, int, int, str]]) -> Spans:
    """What is marked, by message. found: message id, start, end, mark; what is in no message is left out."""
    spans: dict[str, list[tuple[int, int, str]]] = {}
    for message_id, start, end, mark in found:
        if message_id is not None:
            spans.setdefault(message_id, []).append((start, end, mark))
    return spans


def marks_of(checks: Iterable[Check]) -> Spans:
    """The words some checks found, by message."""
    return marks(
        (each.message_id, each.start, each.end, check.id) for check in checks for each in check.evidence
    )


def of_row(row: Mapping[str, Any], reader: Person) -> Item:
    """A bubble of a message of the marketplace, nothing marked in it."""
    head = f"{words.moment(row['sent_at'], reader)} · {row['sender']}"
    return message(head, row["sent_at"].isoformat(), row["sender"], row["body"], [])


def of_frozen(messages: Iterable[Mapping[str, Any]], spans: Spans, reader: Person) -> list[Item]:
    """Bubbles of frozen messages, whose times are texts; spans: what is marked, by message id."""
    return [
        message(
            f"{words.moment(datetime.fromisoformat(row['sent_at']), reader)} · {row['sender']}",
            row["sent_at"],
            row["sender"],
            row["body"],
            spans.get(row["message_id"], ()),
        )
        for row in messages
    ]


def _parts(body: str, spans: Iterable[tuple[int, int, str]]) -> Iterable[Mapping[str, str]]:
    at = 0
    for begin, end, mark in sorted(spans):
        start = max(begin, at)
        if start >= end:
            continue
        if start > at:
            yield {"text": body[at:start]}
        yield {"text": body[start:end], "mark": mark}
        at = end
    if at < len(body) or not body:
        yield {"text": body[at:]}
