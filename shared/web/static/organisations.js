// Suggests municipalities, county authorities and state governors while one writes; what one writes stands all the same.
"use strict";
{
  const PAUSE = 150; // milliseconds without a key

  const suggest = async (input, list) => {
    const query = new URLSearchParams({ q: input.value, on: input.dataset.on });
    const answer = await fetch(`/api/organisations?${query}`);
    if (!answer.ok) return;
    const { items } = await answer.json();
    list.replaceChildren(
      ...items.map(({ name, other_names }) => new Option(other_names.join(", "), name)),
    );
  };

  for (const input of document.querySelectorAll("input[data-on]")) {
    const list = document.createElement("datalist");
    list.id = `${input.id}-suggestions`;
    input.after(list);
    input.setAttribute("list", list.id);
    let waiting;
    input.addEventListener("input", () => {
      clearTimeout(waiting);
      if (input.value.trim()) waiting = setTimeout(() => suggest(input, list).catch(() => {}), PAUSE);
    });
  }
}
