// A document's page: the grid of its chunks, the chunk that is open, and the pictures of pages with the chunk's places framed.
// The grid is one SVG path per state, so 5,000 cells are as quick as one; keys move an option that stands for the cell pointed at.
"use strict";
(() => {
  const EVERY_MS = 2000;
  const GAP = 2;
  const SIZES = [20, 16, 13, 10, 8, 6, 4];
  const TALLEST = 220;
  const SVG = "http://www.w3.org/2000/svg";
  const element = (name, attributes, ...children) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const fill = (pattern, ...values) => values.reduce((text, value) => text.replace("{}", value), pattern);

  const box = document.querySelector(".cells");
  const panel = document.getElementById("chunk");
  if (box) grid(box);
  if (panel) {
    document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target === panel) opened(); });
    document.addEventListener("htmx:responseError", (event) => { if (event.detail.target === panel) panel.replaceChildren(said(event.detail.xhr.statusText)); });
    panel.addEventListener("click", pointOut);
    opened();
  }

  function said(text) {
    const sentence = document.createElement("p");
    sentence.className = "notice bad";
    sentence.textContent = text;
    return sentence;
  }

  // The chunk that is open
  function opened() {
    for (const sheet of panel.querySelectorAll("[data-page-url]")) draw(sheet);
    const article = panel.querySelector("[data-window]");
    if (article) document.dispatchEvent(new CustomEvent("aegis:chunk", { detail: [Number(article.dataset.window), Number(article.dataset.ordinal)] }));
    panel.querySelector(".sought")?.scrollIntoView({ block: "center" });
  }

  function pointOut(event) {
    const button = event.target.closest("[data-relation]");
    if (!button) return;
    const on = button.getAttribute("aria-pressed") !== "true";
    for (const other of panel.querySelectorAll("[data-relation]")) other.setAttribute("aria-pressed", String(on && other === button));
    for (const piece of panel.querySelectorAll("[data-said-in]")) {
      piece.classList.toggle("said", on && piece.dataset.saidIn.split(" ").includes(button.dataset.relation));
    }
    panel.querySelector(".said")?.scrollIntoView({ block: "nearest" });
  }

  // The page's size in points comes with its picture; both are then in the browser's cache.
  async function draw(sheet) {
    const waits = sheet.querySelector("[data-waits]");
    const url = sheet.dataset.pageUrl;
    delete sheet.dataset.pageUrl;
    try {
      const reply = await fetch(url, { credentials: "same-origin" });
      if (!reply.ok) throw new Error((await reply.json()).error);
      const [width, height] = reply.headers.get("Aegis-Page").split(" ").map(Number);
      await reply.blob();
      const frames = JSON.parse(sheet.dataset.boxes).map(([left, top, right, bottom]) => element("rect", {
        x: left - 3, y: top - 3, width: Math.max(1, right - left) + 6, height: Math.max(1, bottom - top) + 6, rx: 3,
      }));
      const picture = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": sheet.dataset.label },
        element("image", { href: url, width, height }), ...frames);
      const link = document.createElement("a");
      link.href = url;
      link.append(picture);
      waits.replaceWith(link);
    } catch (error) {
      waits.textContent = error.message;
    }
  }

  // The grid
  function grid(box) {
    const svg = box.querySelector("svg");
    const option = document.getElementById("cell");
    const line = document.querySelector("[data-pointed]");
    const nextFailed = document.querySelector("[data-next-failed]");
    const legend = new Map([...document.querySelectorAll("[data-cell]")].map((item) => [item.dataset.cell, item]));
    const address = (cell) => box.dataset.chunkUrl.replace("0/0", `${cell.window[0]}/${cell.place}`);
    let cells = [];
    let columns = 1;
    let step = 1;
    let pointed = 0;
    let open = null;
    let asked = cells; // the cells as they were when the open chunk was asked for
    let moved = false; // by the reader

    const isOpen = (cell) => open !== null && cell.place === open[1] && cell.window[0] === open[0];

    const read = (now) => {
      cells = now.windows.flatMap((window) => {
        const [, , , mark, letters] = window;
        if (!letters) return mark === "D" ? [] : [{ window, place: null, letter: mark }];
        return [...letters].map((letter, place) => ({ window, place, letter }));
      });
      let number = 0;
      for (const cell of cells) if (cell.place !== null) cell.number = ++number;
      pointed = Math.min(pointed, Math.max(0, cells.length - 1));
      layOut();
      const tally = document.querySelector('[data-tally="chunks"]');
      if (tally) tally.textContent = number;
      nextFailed.hidden = !cells.some((cell) => cell.letter === "f");
      for (const [letter, item] of legend) {
        const count = cells.filter((cell) => cell.letter === letter).length;
        item.hidden = count === 0;
        item.querySelector("[data-number]").textContent = count;
      }
    };

    const layOut = () => {
      const width = box.clientWidth;
      const size = SIZES.find((one) => Math.ceil(cells.length / Math.floor((width + GAP) / (one + GAP))) * (one + GAP) <= TALLEST) || SIZES.at(-1);
      step = size + GAP;
      columns = Math.max(1, Math.floor((width + GAP) / step));
      svg.setAttribute("width", width);
      svg.setAttribute("height", Math.max(1, Math.ceil(cells.length / columns)) * step);
      const paths = new Map();
      cells.forEach((cell, index) => {
        const begins = `M${(index % columns) * step} ${Math.floor(index / columns) * step}h${size}v${size}h-${size}z`;
        paths.set(cell.letter, (paths.get(cell.letter) || "") + begins);
      });
      const frame = (kind) => element("rect", { class: kind, width: step, height: step, visibility: "hidden" });
      svg.replaceChildren(...[...paths].map(([letter, d]) => element("path", { class: `cell-${letter}`, d })), frame("open"), frame("pointed"));
      show();
    };

    const put = (kind, index) => {
      const frame = svg.querySelector(`.${kind}`);
      frame.setAttribute("visibility", index < 0 ? "hidden" : "visible");
      frame.setAttribute("x", (index % columns) * step - GAP / 2);
      frame.setAttribute("y", Math.floor(index / columns) * step - GAP / 2);
    };

    const show = () => {
      const cell = cells[pointed];
      put("open", cells.findIndex(isOpen));
      put("pointed", cell && (document.activeElement === box || box.matches(":hover")) ? pointed : -1);
      if (!cell) return;
      const chunks = cells.filter((one) => one.place !== null).length;
      const word = legend.get(cell.letter).querySelector("[data-said]").textContent;
      const where = fill(box.dataset.pages, cell.window[1], cell.window[2]);
      const name = cell.place === null ? where : `${fill(box.dataset.chunk, cell.number, chunks)} · ${where}`;
      option.textContent = `${name} · ${word}`;
      option.setAttribute("aria-posinset", pointed + 1);
      option.setAttribute("aria-setsize", cells.length);
      line.textContent = option.textContent;
    };

    const point = (index) => {
      moved = true;
      pointed = Math.max(0, Math.min(cells.length - 1, index));
      show();
    };
    const at = (event) => {
      const area = svg.getBoundingClientRect();
      const column = Math.floor((event.clientX - area.left) / step);
      const index = Math.floor((event.clientY - area.top) / step) * columns + column;
      return column < columns && index >= 0 && index < cells.length ? index : -1;
    };
    const enter = (cell) => {
      if (!cell) return;
      if (cell.place === null) document.getElementById("failures")?.scrollIntoView();
      else window.htmx.ajax("GET", address(cell), { target: panel, swap: "innerHTML" });
    };

    box.addEventListener("mousemove", (event) => { if (at(event) >= 0) point(at(event)); });
    box.addEventListener("click", (event) => { if (at(event) >= 0) { point(at(event)); enter(cells[pointed]); } });
    for (const name of ["focus", "blur", "mouseleave"]) box.addEventListener(name, show);
    box.addEventListener("keydown", (event) => {
      const moves = {
        ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns,
        PageDown: 10 * columns, PageUp: -10 * columns, Home: -cells.length, End: cells.length,
      };
      if (event.key in moves) point(pointed + moves[event.key]);
      else if (event.key === "Enter" || event.key === " ") enter(cells[pointed]);
      else return;
      event.preventDefault();
    });
    nextFailed.addEventListener("click", () => {
      const failed = cells.flatMap((cell, index) => (cell.letter === "f" ? [index] : []));
      point(failed.find((index) => index > pointed) ?? failed[0]);
      enter(cells[pointed]);
    });
    document.addEventListener("htmx:beforeRequest", (event) => { if (event.detail.target === panel) asked = cells; });
    document.addEventListener("aegis:chunk", (event) => {
      const first = open === null;
      open = event.detail;
      const index = cells.findIndex(isOpen);
      if (index >= 0 && !(first && moved)) pointed = index; // what the page opens by itself moves nobody who has gone on
      window.history.replaceState(null, "", `#chunk-${open.join("-")}`);
      show();
    });
    new ResizeObserver(() => layOut()).observe(box);

    // What is shown on arrival: the chunk that the address names, in place of the one that the server proposes.
    const named = /^#chunk-(\d+)-(\d+)$/.exec(window.location.hash);
    read(JSON.parse(document.getElementById("cells").textContent));
    if (named) {
      const cell = cells.find((one) => one.place === Number(named[2]) && one.window[0] === Number(named[1]));
      if (cell) {
        panel.removeAttribute("hx-get");
        panel.removeAttribute("hx-trigger");
        enter(cell);
      }
    }

    // The open chunk follows its cell, but for its pages' pictures, which stay the same, and not while somebody has selected something
    // in it or points a relation out.
    const follow = async () => {
      const [cell, article, title] = [cells.find(isOpen), panel.querySelector("article"), document.getElementById("chunk-title")];
      if (!cell || !article) return;
      const name = fill(box.dataset.chunk, cell.number, cells.filter((one) => one.place !== null).length);
      if (title.textContent !== name) title.textContent = name;
      const selection = document.getSelection();
      const held = (!selection.isCollapsed && selection.containsNode(panel, true)) || article.querySelector(".reading").contains(document.activeElement);
      if (held || asked.find(isOpen)?.letter === cell.letter) return;
      const before = cells;
      const reply = await fetch(address(cell), { headers: { "HX-Request": "true" }, credentials: "same-origin" });
      if (!reply.ok) return;
      const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
      if (!article.isConnected) return; // another one has been opened
      for (const part of ["header nav", ".reading > .stack"]) {
        const [shown, now] = [article.querySelector(part), fresh.querySelector(part)];
        if (shown.innerHTML === now.innerHTML) continue;
        shown.replaceWith(now);
        window.htmx.process(now);
      }
      asked = before;
    };

    // While the document runs: whoever learns of a change in another way says so by the event `aegis:changed`, and where nobody has for
    // a while, the grid asks by itself.
    if (box.dataset.moving !== "yes") return;
    let asking = false, timer = 0;
    const again = async () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(again, EVERY_MS);
      if (asking || document.hidden) return;
      asking = true;
      try {
        const reply = await fetch(box.dataset.cellsUrl, { headers: { Accept: "application/json" }, credentials: "same-origin" });
        if (reply.ok) {
          read(await reply.json());
          await follow();
        }
      } catch { /* the next time */ } finally { asking = false; }
    };
    document.addEventListener("aegis:changed", again);
    timer = window.setTimeout(again, EVERY_MS);
  }
})();
