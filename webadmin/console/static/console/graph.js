// The graph page: a picture that grows where one asks it to, its legend, its tables, and the panel with the evidence.
"use strict";
(() => {
  const root = document.getElementById("graph");
  if (!root) return;
  const { make, read, slotOf } = window.aegisPicture;
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const text = (name, ...values) => values.reduce((said, value) => said.replace("{}", value), root.dataset[`text${name}`]);
  const address = (kind, ...ids) => ids.reduce((url, id) => url.replace("00000000-0000-0000-0000-000000000000", id), root.dataset[`${kind}Url`]);
  const { cy, add, arrange } = make(part("canvas"));
  const hidden = new Set();
  let hidesAddressed = false; // relations of which all evidence speaks to its reader or to a language model

  const say = (words) => { part("said").textContent = words; };
  const element = (tag, content, properties = {}) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(content);
    return made;
  };
  const named = (name) => element("bdi", name);
  const panel = (url) => window.htmx.ajax("GET", url, { target: part("panel"), swap: "innerHTML" });

  // Choosing and growing
  const light = (element_) => {
    cy.elements().removeClass("near at").unselect();
    if (!element_ || element_.empty()) return;
    element_.select();
    if (element_.isNode()) { element_.addClass("at"); element_.connectedEdges().addClass("near"); }
  };
  const describe = (node) => say(text("Node", node.data("name"), node.data("type"), node.neighborhood("node").length, node.data("more")));
  const showEntity = (id) => {
    const node = cy.getElementById(id);
    light(node);
    if (node.nonempty()) describe(node);
    panel(address("entity", id));
    window.history.replaceState(null, "", `?entity=${id}`);
  };
  const showRelation = (edge) => {
    light(edge);
    panel(`${address("relation", edge.data("source"), edge.data("target"))}?type=${encodeURIComponent(edge.data("type"))}`);
  };
  const grow = async (id) => {
    const there = cy.nodes().map((node) => node.id());
    const query = new URLSearchParams([["entity", id], ...there.map((one) => ["seen", one])]);
    const picture = await read(`${root.dataset.pictureUrl}?${query}`);
    if (!picture.nodes) { say(picture.error || text("Away")); return; }
    const fresh = add(picture, cy.getElementById(id).nonempty() ? id : null);
    legend();
    filter();
    if (fresh) await arrange(true);
    light(cy.getElementById(id));
    tables();
    say(picture.full ? text("Full") : fresh ? text("Grown", fresh) : text("Whole"));
  };
  const bring = async (id) => {
    if (cy.getElementById(id).empty()) await grow(id);
    showEntity(id);
    const node = cy.getElementById(id);
    if (node.nonempty()) { unhide(node.data("type")); if (!inView(node)) cy.animate({ center: { eles: node }, duration: 200 }); }
  };

  // The legend filters
  const filter = () => {
    cy.nodes().forEach((node) => { node.toggleClass("away", hidden.has(node.data("type"))); });
    cy.edges().forEach((edge) => { edge.toggleClass("away", hidesAddressed && edge.data("addressed")); });
    tables();
  };
  const unhide = (type) => { if (hidden.delete(type)) { legend(); filter(); } };
  const swatch = (slot) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", `swatch type-${slot}`);
    svg.setAttribute("viewBox", "0 0 10 10");
    svg.setAttribute("aria-hidden", "true");
    const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    for (const [name, value] of [["cx", 5], ["cy", 5], ["r", 5]]) dot.setAttribute(name, value);
    svg.append(dot);
    return svg;
  };
  const legend = () => {
    const counts = new Map();
    cy.nodes().forEach((node) => { counts.set(node.data("type"), (counts.get(node.data("type")) || 0) + 1); });
    const types = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
    const chips = types.map(([type, count]) => chip(swatch(slotOf(type)), named(type), count, () => !hidden.has(type), () => {
      if (!hidden.delete(type)) hidden.add(type);
    }));
    const addressed = cy.edges().filter((edge) => edge.data("addressed")).length;
    if (addressed) {
      chips.push(chip("", text("Addressed"), addressed, () => !hidesAddressed, () => { hidesAddressed = !hidesAddressed; }));
    }
    part("legend").replaceChildren(...chips);
  };
  const chip = (mark, words, count, isShown, toggle) => {
    const button = element("button", mark, { type: "button", className: "chip" });
    const press = () => button.setAttribute("aria-pressed", String(isShown()));
    button.append(words, element("span", String(count), { className: "quiet" }));
    press();
    button.addEventListener("click", () => { toggle(); press(); filter(); });
    return button;
  };

  // The same as tables, for whoever does not see the picture or has no pointer
  const link = (content, act) => {
    const button = element("button", content, { type: "button", className: "link" });
    button.addEventListener("click", act);
    return button;
  };
  const row = (...cells) => {
    const line = document.createElement("tr");
    line.append(...cells.map((cell, number) => element("td", cell, { className: number ? "" : "breaks" })));
    return line;
  };
  const tables = () => {
    const nodes = cy.nodes(":visible").toArray().sort((a, b) => b.data("chunks") - a.data("chunks"));
    part("entities").replaceChildren(...nodes.map((node) => row(
      link(named(node.data("name")), () => showEntity(node.id())), named(node.data("type")), String(node.data("chunks")),
      node.data("more") ? link(text("More", node.data("more")), () => grow(node.id())) : "–",
    )));
    part("relations").replaceChildren(...cy.edges(":visible").map((edge) => row(
      link(named(edge.source().data("name")), () => showEntity(edge.data("source"))), link(named(edge.data("type")), () => showRelation(edge)),
      link(named(edge.target().data("name")), () => showEntity(edge.data("target"))), String(edge.data("chunks")),
    )));
    part("count").textContent = text("Count", nodes.length, cy.edges(":visible").length);
    part("nothing").hidden = cy.nodes().nonempty();
  };

  // The picture by keyboard: arrows walk to what lies that way, Enter grows, space opens
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const towards = (from, [x, y]) => {
    const here = from.position();
    let best = null, least = Infinity;
    cy.nodes(":visible").forEach((node) => {
      const right = node.position("x") - here.x, down = node.position("y") - here.y;
      const along = right * x + down * y, aside = Math.abs(right * y) + Math.abs(down * x);
      if (node.id() !== from.id() && along > 0 && along + 2 * aside < least) { best = node; least = along + 2 * aside; }
    });
    return best;
  };
  part("canvas").addEventListener("keydown", (event) => {
    const at = cy.nodes(".at:visible");
    if (way[event.key]) {
      event.preventDefault();
      const next = at.empty() ? cy.nodes(":visible").first() : towards(at.first(), way[event.key]);
      if (next && next.nonempty()) { light(next); describe(next); if (!inView(next)) cy.animate({ center: { eles: next }, duration: 120 }); }
    } else if (event.key === "Enter" && at.nonempty()) { event.preventDefault(); grow(at.id()); }
    else if (event.key === " " && at.nonempty()) { event.preventDefault(); showEntity(at.id()); }
    else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.25 : .8);
    else if (event.key === "0") cy.fit(undefined, 36);
  });
  const inView = (node) => {
    const view = cy.extent(), { x, y } = node.position();
    return x > view.x1 && x < view.x2 && y > view.y1 && y < view.y2;
  };
  const zoom = (factor) => cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });

  cy.on("tap", "node", (event) => showEntity(event.target.id()));
  cy.on("dbltap", "node", (event) => grow(event.target.id()));
  cy.on("tap", "edge", (event) => showRelation(event.target));
  cy.on("tap", (event) => { if (event.target === cy) light(null); });
  cy.on("mouseover", "node, edge", () => { part("canvas").classList.add("points"); });
  cy.on("mouseout", "node, edge", () => { part("canvas").classList.remove("points"); });
  root.addEventListener("click", (event) => {
    const asked = event.target.closest("[data-zoom], [data-entity], [data-grow]");
    if (!asked || event.ctrlKey || event.metaKey) return;
    if (asked.dataset.zoom === "fit") cy.fit(undefined, 36);
    else if (asked.dataset.zoom === "arrange") arrange(true);
    else if (asked.dataset.zoom) zoom(Number(asked.dataset.zoom));
    else { event.preventDefault(); if (asked.dataset.grow) grow(asked.dataset.grow); else bring(asked.dataset.entity); }
  });
  root.addEventListener("chosen", (event) => { if (!event.target.querySelector("input[type=hidden]")) bring(event.detail.id); });

  (async () => {
    const picture = await read(`${root.dataset.pictureUrl}?${root.dataset.query}`);
    if (!picture.nodes) { say(picture.error || text("Away")); return; }
    add(picture);
    legend();
    await arrange(false);
    tables();
    if (root.dataset.chosen) light(cy.getElementById(root.dataset.chosen));
    root.dataset.ready = "yes";
  })();
})();
