/** Messages as mail servers write them. */

/** The value of the first field of this name in a message. */
export function fieldOf(mail: string, name: string): string {
  const head = mail.split("\n\n")[0]!.replace(/\n[ \t]+/g, " ");
  return new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(head)?.[1] ?? "";
}

/** A bounce as qmail-send writes it (QSBMF), which returns the whole message. */
export function qsbmf(to: string, original: string, host = "mx.example.net"): string {
  const body = `Hi. This is the qmail-send program at ${host}.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<nobody@${host}>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <${to}>
Received: (qmail 4710 invoked by uid 1000); 20 Nov 2026 05:32:57 -0000
${original}`;
  return `Received: (qmail 4711 invoked for bounce); 20 Nov 2026 05:32:58 -0000
Date: 20 Nov 2026 05:32:58 -0000
From: MAILER-DAEMON@${host}
To: ${to}
Subject: failure notice

${body}`;
}
