// Keeps a seminar's page true for whoever waits on it. The server says how things stand and for how many seconds that
// holds (Changes-In): the browser's clock is asked for nothing, since it may be wrong and the server's may be moved.
"use strict";
{
  const LONGEST = 60; // seconds between looks: a link may change, a seminar be moved
  const SPREAD = 3; // seconds, so that not everybody asks at once

  const hero = (page) => page.querySelector("[data-shown]").dataset;

  const isAnother = (page) => {
    const [before, after] = [hero(document), hero(page)];
    const playing = document.querySelector("iframe"); // which a reload would stop: only another film is worth that
    return before.film !== after.film || (before.shown !== after.shown && !playing);
  };

  const renew = (page) => {
    for (const part of document.querySelectorAll("[data-renew]")) {
      const fresh = page.querySelector(`[data-renew="${part.dataset.renew}"]`);
      if (fresh && fresh.outerHTML !== part.outerHTML && !part.contains(document.activeElement)) part.replaceWith(fresh);
    }
  };

  const look = async () => {
    const answer = await fetch(location.href, { cache: "no-cache" });
    if (!answer.ok) return LONGEST;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (isAnother(page)) location.reload();
    else renew(page);
    return Math.min(LONGEST, Number(answer.headers.get("Changes-In") || LONGEST));
  };

  const keepLooking = async () => {
    const seconds = document.hidden ? SPREAD : await look().catch(() => LONGEST);
    setTimeout(keepLooking, (seconds + Math.random() * SPREAD) * 1000);
  };

  keepLooking();
}
