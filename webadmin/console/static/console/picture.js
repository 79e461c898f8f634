// A picture of entities and relations, drawn by cytoscape. Names are drawn on a canvas and put into the page as text, never as markup.
"use strict";
window.aegisPicture = (() => {
  const SHAPES = ["ellipse", "round-rectangle", "diamond", "hexagon", "triangle", "pentagon", "octagon", "round-tag", "rhomboid", "ellipse"];
  const OTHER = SHAPES.length - 1;
  // The commonest types look alike in every picture; others take the places that are left, in order of appearance.
  const KNOWN = { person: 0, organization: 1, organisation: 1, company: 1, location: 2, place: 2, term: 3, concept: 3, product: 4, technology: 4 };
  const STILL = window.matchMedia("(prefers-reduced-motion: reduce)");
  const LETTERS = 36;

  const slots = new Map();
  const slotOf = (type) => {
    const key = type.toLowerCase();
    if (!slots.has(key)) {
      const taken = new Set(slots.values());
      const free = SHAPES.findIndex((_, slot) => slot > 4 && slot < OTHER && !taken.has(slot));
      slots.set(key, KNOWN[key] ?? (free < 0 ? OTHER : free));
    }
    return slots.get(key);
  };

  const look = () => {
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(name).trim();
    const ink = colour("--ink-plain"), surface = colour("--surface-plain"), line = colour("--line-plain"), accent = colour("--accent-plain");
    const font = { "font-family": "Inter, sans-serif", color: ink, "text-outline-color": surface, "text-outline-width": 2 };
    return [
      { selector: "node", style: {
        ...font, label: "data(label)", "font-size": 12, "min-zoomed-font-size": 6, "text-wrap": "wrap", "text-max-width": 120,
        "text-valign": "bottom", "text-margin-y": 4, width: "data(size)", height: "data(size)", "border-width": 1.5, "border-color": surface,
        "overlay-opacity": 0, "outline-offset": 3 } },
      ...SHAPES.map((shape, slot) => ({ selector: `node[slot = ${slot}]`, style: { shape, "background-color": colour(`--type-${slot}`) } })),
      { selector: "edge", style: {
        ...font, "font-size": 9, label: "data(type)", "min-zoomed-font-size": 8, "text-rotation": "autorotate", color: colour("--quiet-plain"), width: "data(width)",
        "line-color": line, "target-arrow-color": line, "target-arrow-shape": "triangle", "arrow-scale": .8, "curve-style": "bezier", "overlay-opacity": 0 } },
      { selector: "edge:selected, edge.near", style: { "line-color": accent, "target-arrow-color": accent, color: ink, "z-index": 2 } },
      { selector: "node:selected, node.lit", style: { "border-color": accent, "border-width": 4, "font-weight": 600, "z-index": 3 } },
      { selector: "node.at", style: { "outline-color": accent, "outline-width": 2 } },
      { selector: ".dim", style: { opacity: .22 } },
      { selector: ".away", style: { display: "none" } },
    ];
  };

  const short = (name) => (name.length > LETTERS ? `${name.slice(0, LETTERS - 1)}…` : name);
  const pair = (edge) => `${edge.source}|${edge.type}|${edge.target}`;

  // New nodes begin on a spiral around a point: the layout then moves them, and the same data gives the same picture.
  const spiral = (centre, number) => {
    const angle = number * 2.39996, radius = 60 + 34 * Math.sqrt(number);
    return { x: centre.x + radius * Math.cos(angle), y: centre.y + radius * Math.sin(angle) };
  };

  // Parts that nothing connects stand in rows, the largest first, in the shape of the window: else a few stragglers make all small.
  const pack = (parts, shape) => {
    const GAP = 22;
    const boxes = parts.map((part) => ({ part, box: part.boundingBox({ includeLabels: true }) })).sort((a, b) => b.box.h - a.box.h);
    const area = boxes.reduce((sum, { box }) => sum + (box.w + GAP) * (box.h + GAP), 0);
    const width = Math.max(Math.sqrt(area * shape) * 1.08, ...boxes.map(({ box }) => box.w));
    let x = 0, y = 0, row = 0;
    for (const { part, box } of boxes) {
      if (x && x + box.w > width) { x = 0; y += row + GAP; row = 0; }
      part.nodes().shift({ x: x - box.x1, y: y - box.y1 });
      x += box.w + GAP;
      row = Math.max(row, box.h);
    }
  };

  const make = (container, options = {}) => {
    const cy = window.cytoscape({ container, style: look(), minZoom: .15, maxZoom: 3, boxSelectionEnabled: false, userPanningEnabled: !options.still, userZoomingEnabled: !options.still });
    new MutationObserver(() => cy.style(look())).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
    new ResizeObserver(() => { cy.resize(); if (options.still) cy.fit(undefined, 20); }).observe(container);

    const label = (node) => {
      const seen = node.neighborhood("node").length;
      const more = Math.max(0, node.data("neighbours") - seen);
      node.data({ more, label: more && !options.still ? `${short(node.data("name"))}\n+${more}` : short(node.data("name")) });
    };
    const add = (picture, around) => {
      const fresh = picture.nodes.filter((node) => cy.getElementById(node.id).empty());
      const centre = around ? cy.getElementById(around).position() : { x: 0, y: 0 };
      cy.batch(() => {
        fresh.forEach((node, number) => cy.add({
          data: { ...node, slot: slotOf(node.type), size: 16 + 7 * Math.log2(1 + node.chunks), label: short(node.name) },
          position: spiral(centre, number),
        }));
        for (const edge of picture.edges) {
          if (cy.getElementById(pair(edge)).empty()) cy.add({ data: { ...edge, id: pair(edge), width: 1 + Math.log2(edge.chunks) } });
        }
        cy.nodes().forEach(label);
      });
      return fresh.length;
    };
    const arrange = async (animated) => {
      const nodes = cy.nodes(":visible"), before = new Map(nodes.map((node) => [node.id(), { ...node.position() }]));
      const parts = cy.elements(":visible").components();
      for (const one of parts) {
        one.layout({
          name: "cose", animate: false, randomize: false, fit: false,
          nodeRepulsion: () => 9000, edgeElasticity: () => 60, idealEdgeLength: () => 82, nodeOverlap: 24, gravity: 1.2, numIter: 1000,
        }).run();
      }
      pack(parts, cy.width() / Math.max(1, cy.height()));
      const padding = options.still ? 20 : 36, moves = animated && !STILL.matches;
      if (!moves) { cy.fit(cy.elements(":visible"), padding); return; }
      const after = new Map(nodes.map((node) => [node.id(), { ...node.position() }]));
      nodes.positions((node) => before.get(node.id()));
      const preset = nodes.layout({ name: "preset", positions: (node) => after.get(node.id()), animate: true, animationDuration: 350, fit: true, padding });
      const done = new Promise((resolve) => { preset.one("layoutstop", resolve); });
      preset.run();
      await done;
    };
    return { cy, add, arrange };
  };

  const read = async (url) => {
    let reply;
    try { reply = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" }); } catch { return { error: "" }; }
    try { return await reply.json(); } catch { return { error: "" }; }
  };
  return { make, read, slotOf };
})();
