"""What mail servers and calendars send: as they do, with whatever a test wants otherwise."""


def make_report(to: str, recipient: str = "kari@example.org", **overrides: str) -> bytes:
    """Return a delivery status notification as Postfix writes it (RFC 3464)."""
    said = {
        "message_id": "<20230522070000.1@mx.example.org>",
        "action": "failed",
        "status": "5.1.1",
        "diagnostic": f"smtp; 550 5.1.1 <{recipient}>: Recipient address rejected: User unknown",
        "returned": "Subject: Du er påmeldt",
    } | overrides
    return f"""\
Return-Path: <>
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Message-ID: {said["message_id"]}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="A/1"

--A/1
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.org.

--A/1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Arrival-Date: Mon, 22 May 2023 09:00:00 +0200 (CEST)

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {said["action"]}
Status: {said["status"]}
Diagnostic-Code: {said["diagnostic"]}

--A/1
Content-Type: text/rfc822-headers

{said["returned"]}

--A/1--
""".encode()


def make_reply(to: str, uid: str, sender: str = "kari@example.org", **overrides: str) -> bytes:
    """Return a calendar's reply (RFC 5546, 3.2.3; RFC 6047)."""
    said = {"partstat": "DECLINED", "method": "REPLY", "headers": "X-Mailer: a calendar"} | overrides
    return f"""\
From: Kari Nordmann <{sender}>
To: {to}
Subject: =?utf-8?q?Avsl=C3=A5tt=3A_Planstrategi_4=2E0?=
Message-ID: <1@mail.example.org>
{said["headers"]}
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Kari Nordmann har takket nei.

--b
Content-Type: text/calendar; charset=utf-8; method={said["method"]}

BEGIN:VCALENDAR
PRODID:-//A calendar//EN
VERSION:2.0
METHOD:{said["method"]}
BEGIN:VEVENT
UID:{uid}
SEQUENCE:2
DTSTAMP:20230522T070000Z
DTSTART:20230601T080000Z
ORGANIZER:mailto:{to}
ATTENDEE;PARTSTAT={said["partstat"]};CN=Kari:mailto:{sender}
END:VEVENT
END:VCALENDAR

--b--
""".encode()
