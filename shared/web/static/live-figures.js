// Keeps figures as they are: the server sends them whenever they differ (server-sent events). A hidden page lets go, as
// browsers have few connections to one server. Without an answer there remains the link to refresh the page.
"use strict";
{
  const LATER = 30_000; // milliseconds; by itself a browser comes again only to who has hung up, not to who refuses

  const figures = document.querySelector("[data-live]");
  const [on, not] = ["[data-live-on]", "[data-live-not]"].map((part) => document.querySelector(part));
  let source = null;
  let again = 0;

  const show = (html) => {
    const open = new Map([...figures.querySelectorAll("details")].map((part) => [part.id, part.open]));
    const focused = figures.contains(document.activeElement) ? document.activeElement.id : "";
    figures.innerHTML = html;
    for (const part of figures.querySelectorAll("details")) part.open = open.get(part.id) ?? part.open;
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  const say = (lives) => {
    on.hidden = !lives;
    not.hidden = lives;
  };

  const follow = () => {
    const address = new URL(figures.dataset.live, location.href);
    address.searchParams.set("seen", figures.dataset.seen);
    source = new EventSource(address);
    source.addEventListener("open", () => say(true));
    source.addEventListener("error", () => {
      say(false);
      if (source.readyState === EventSource.CLOSED) again = setTimeout(follow, LATER);
    });
    source.addEventListener("figures", (event) => {
      figures.dataset.seen = event.lastEventId;
      show(event.data);
    });
  };

  const rest = () => {
    clearTimeout(again);
    source?.close();
    source = null;
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) rest();
    else if (!source) follow();
  });
  if (!document.hidden) follow();
}
