"""The small pages that a citizen sees after scanning a pole's code: large, in Thai and English, on any phone, without scripts.

The one script tells the browser's position when the citizen ticks the box for it; without it all works the same, and the
pole's place is used. Nothing is loaded from anywhere else.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from storage.vocabulary import PostLamp

REFRESH_SECONDS = 5

STYLE = """
*{box-sizing:border-box}
body{margin:0;font:18px/1.5 -apple-system,"Noto Sans Thai","Sarabun",Tahoma,sans-serif;background:#f3f5f8;color:#14213d}
main{max-width:28em;margin:0 auto;padding:1.2em}
h1{font-size:1.5em;line-height:1.25;margin:.3em 0}
.en{color:#4a5568;font-size:.85em;display:block;font-weight:400}
.card{background:#fff;border-radius:14px;padding:1.1em;margin:1em 0;border:1px solid #dde3ec}
button,.call{display:block;width:100%;border:0;border-radius:14px;padding:.9em .5em;text-align:center;text-decoration:none;
font:inherit;font-size:1.35em;font-weight:700;color:#fff;background:#c1121f}
.call{background:#14213d;font-size:1.1em}
button .en,.call .en{color:#fff}
.card>:last-child{margin-bottom:0}
label{display:grid;grid-template-columns:auto 1fr;gap:0 .6em;align-items:center;margin:1em 0}
label[hidden]{display:none}
label .en{grid-column:2}
input[type=checkbox]{width:1.6em;height:1.6em;margin:0}
.OPEN{border-left:8px solid #e09f3e}.ACKNOWLEDGED{border-left:8px solid #2a6f97}
.ON_THE_WAY,.ON_SCENE{border-left:8px solid #2d6a4f}.CLOSED,.CANCELLED,.NONE{border-left:8px solid #718096}
"""

SCRIPT = """
(function(){var b=document.getElementById('here'),f=document.forms[0];if(!b||!f||!navigator.geolocation)return;
document.getElementById('ask').hidden=false;
b.onclick=function(){if(!b.checked){f.lat.value=f.lon.value=f.acc.value='';return}
navigator.geolocation.getCurrentPosition(function(p){if(!b.checked)return;f.lat.value=p.coords.latitude;
f.lon.value=p.coords.longitude;f.acc.value=p.coords.accuracy},function(){b.checked=false},
{enableHighAccuracy:true,timeout:8000})}})();
"""

_STATES: dict[PostLamp, tuple[str, str]] = {
    PostLamp.OPEN: (
        "แจ้งเหตุแล้ว กำลังเรียกเจ้าหน้าที่",
        "Help was told. Officers are being called.",
    ),
    PostLamp.ACKNOWLEDGED: ("มีเจ้าหน้าที่รับเรื่องแล้ว", "An officer has answered."),
    PostLamp.ON_THE_WAY: ("เจ้าหน้าที่กำลังเดินทางมา", "An officer is on the way."),
    PostLamp.ON_SCENE: ("เจ้าหน้าที่มาถึงแล้ว", "An officer is here."),
    PostLamp.CLOSED: ("ปิดเหตุแล้ว", "This call was dealt with."),
    PostLamp.CANCELLED: ("ยกเลิกการแจ้งเหตุแล้ว", "This call was called off."),
    PostLamp.NONE: ("ไม่พบการแจ้งเหตุ", "There is no such call."),
    PostLamp.MUTED: ("ไม่พบการแจ้งเหตุ", "There is no such call."),
}

_OVER = (PostLamp.CLOSED, PostLamp.CANCELLED, PostLamp.NONE, PostLamp.MUTED)

_PHONE = '<a class="call" href="tel:191">โทร 191<span class="en" lang="en">Call the police: 191</span></a>'


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}
"""The address holds what opens the page: nobody is told of it, and nothing is kept of it."""


def call_page(name: str, name_th: str, station: str, station_th: str, visit: str) -> str:
    """The page that a scanned code opens."""
    return _page(
        f"""<h1>ขอความช่วยเหลือฉุกเฉิน<span class="en" lang="en">Emergency help</span></h1>
<div class="card"><strong>{escape(name_th)}</strong><span class="en" lang="en">{escape(name)}</span>
<p>{escape(station_th)}<span class="en" lang="en">{escape(station)}</span></p></div>
<form method="post" action="/help"><input type="hidden" name="visit" value="{escape(visit)}">
<input type="hidden" name="lat"><input type="hidden" name="lon"><input type="hidden" name="acc">
<label id="ask" hidden><input type="checkbox" id="here"><span>ส่งตำแหน่งของฉันด้วย</span>
<span class="en" lang="en">Also send where I am</span></label>
<button type="submit">แจ้งเหตุเดี๋ยวนี้<span class="en" lang="en">Call for help now</span></button></form>
<p>{_PHONE}</p>
<script>{SCRIPT}</script>"""
    )


def state_page(state: PostLamp, drill: bool) -> str:
    """How far the help has come; it asks again by itself until the call is over."""
    thai, english = _STATES[state]
    marked = (
        '<p><strong>การฝึกซ้อม<span class="en" lang="en">DRILL</span></strong></p>' if drill else ""
    )
    return _page(
        f"""{marked}<div class="card {state.value}"><h1>{thai}<span class="en" lang="en">{english}</span></h1></div>
<p>หากปลอดภัย โปรดรออยู่ใกล้เสา<span class="en" lang="en">If it is safe, stay near the pole.</span></p><p>{_PHONE}</p>""",
        refresh=state not in _OVER,
    )


def refused_page(thai: str, english: str, *, again: bool = False) -> str:
    """Why nobody was told, and whom to call instead; with `again` it asks again by itself."""
    return _page(
        f'<div class="card NONE"><h1>{escape(thai)}<span class="en" lang="en">{escape(english)}</span></h1></div><p>{_PHONE}</p>',
        refresh=again,
    )


def _page(body: str, *, refresh: bool = False) -> str:
    again = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if refresh else ""
    return (
        '<!doctype html><html lang="th"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"{again}<title>SOS</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    )
