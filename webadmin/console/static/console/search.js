// The search page: the graph around the hits, and a hit's entities lit in it while one points at the hit.
"use strict";
(() => {
  const container = document.getElementById("around");
  const { make, read, slotOf } = window.aegisPicture;
  const colour = () => document.querySelectorAll(".chip[data-type]").forEach((chip) => {
    chip.querySelector(".swatch").classList.add(`type-${slotOf(chip.dataset.type)}`);
  });
  if (!container) { colour(); return; }
  const { cy, add, arrange } = make(container, { still: true });
  const entities = container.dataset.entities.split(" ");

  const light = (hit) => {
    cy.elements().removeClass("lit dim");
    if (!hit) return;
    const own = cy.nodes().filter((node) => hit.dataset.entities.includes(node.id()));
    if (own.empty()) return;
    cy.elements().not(own.union(own.edgesWith(own))).addClass("dim");
    own.addClass("lit");
  };
  for (const hit of document.querySelectorAll("[data-hit]")) {
    hit.addEventListener("mouseenter", () => light(hit));
    hit.addEventListener("focusin", () => light(hit));
    hit.addEventListener("mouseleave", () => light(null));
    hit.addEventListener("focusout", () => light(null));
  }
  cy.on("tap", "node", (event) => { window.location.assign(`${container.dataset.graph}?entity=${event.target.id()}`); });
  cy.on("mouseover", "node", () => { container.classList.add("points"); });
  cy.on("mouseout", "node", () => { container.classList.remove("points"); });

  (async () => {
    const picture = await read(`${container.dataset.picture}?${new URLSearchParams(entities.map((id) => ["seen", id]))}`);
    if (!picture.nodes) { colour(); return; }
    add(picture);
    colour();
    await arrange(false);
    container.dataset.ready = "yes";
  })();
})();
