// Says what a change will cause before it is made: notification knows, and is asked by the browser, since no service
// calls another. Where it has no answer (a draft that it has not heard of), nothing is said.
"use strict";
{
  const numberAt = (path, answer) => path.split(".").reduce((part, name) => part?.[name], answer) ?? 0;

  const show = (section, difference) => {
    let any = false;
    for (const part of section.querySelectorAll("[data-number]:not([data-number=none])")) {
      const number = numberAt(part.dataset.number, difference);
      part.querySelector("dd").textContent = number;
      part.hidden = number === 0;
      any ||= number !== 0;
    }
    section.querySelector("[data-number=none]").hidden = any;
    section.hidden = false;
  };

  // What a form inside would make of its one part of the document: its fields that are filled in.
  const rehearsalOf = (section) => {
    const rehearsal = JSON.parse(section.dataset.rehearsal);
    const { part } = section.dataset;
    if (!part) return rehearsal;
    const typed = [...new FormData(section.closest("form"))];
    const filled = typed.filter(([name, value]) => value !== "" && name !== "form_token");
    rehearsal.change[part] = Object.fromEntries(filled);
    return rehearsal;
  };

  const ask = async (section) => {
    const answer = await fetch("/api/rehearsals", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(rehearsalOf(section)),
    });
    if (!answer.ok) return;
    const { difference } = await answer.json();
    if (difference) show(section, difference);
  };

  for (const section of document.querySelectorAll("[data-rehearsal]")) {
    const form = section.dataset.part && section.closest("form");
    if (form) form.addEventListener("change", () => ask(section).catch(() => {}));
    else ask(section).catch(() => {});
  }
}
